"""Which partition a key lives in: the same answer in every process, engine and version."""

from __future__ import annotations

from zlib import crc32


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key`, from 0 to `partitions` - 1: CRC-32 of its UTF-8 bytes, modulo."""
    return crc32(key.encode()) % partitions
