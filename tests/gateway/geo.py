"""Writes small mmdb files by the public description of the format (MaxMind DB 2.0): a search tree, records, metadata."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)
_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11
_NUMBERS = {"node_count": _UINT32, "build_epoch": _UINT64}
"""Fields of the metadata -> their type; all other numbers are 16 bits wide."""


def _control(kind: int, size: int) -> bytes:
    assert size < 29
    return bytes([kind << 5 | size]) if kind <= _MAP else bytes([size, kind - 7])


def _encoded(value: Any, name: str = "") -> bytes:
    if isinstance(value, str):
        return _control(_STRING, len(value.encode())) + value.encode()
    if isinstance(value, int):
        raw = value.to_bytes(8, "big").lstrip(b"\0")
        return _control(_NUMBERS.get(name, _UINT16), len(raw)) + raw
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(map(_encoded, value))
    return _control(_MAP, len(value)) + b"".join(_encoded(key) + _encoded(one, key) for key, one in value.items())


def write_mmdb(path: Path, records: Mapping[str, Any], *, ip_version: int = 6) -> Path:
    """A database of networks -> records; IPv4 networks stand below ::/96 in one of IPv6."""
    tree: list[list[int | None]] = [[None, None]]
    data = b""
    leaves: dict[tuple[int, int], int] = {}
    for text, record in records.items():
        network = ipaddress.ip_network(text)
        width = 128 if ip_version == 6 else 32
        bits = f"{int(network.network_address):0{width}b}"[: network.prefixlen + width - network.max_prefixlen]
        node = 0
        for bit in bits[:-1]:
            following = tree[node][int(bit)]
            if following is None:
                tree.append([None, None])
                following = tree[node][int(bit)] = len(tree) - 1
            node = following
        leaves[node, int(bits[-1])] = len(data)
        data += _encoded(record)
    count = len(tree)
    for (node, side), offset in leaves.items():
        tree[node][side] = count + len(_SEPARATOR) + offset
    body = b"".join(struct.pack(">I", count if one is None else one)[1:] for pair in tree for one in pair)
    about = {
        "node_count": count,
        "record_size": 24,
        "ip_version": ip_version,
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_760_000_000,
        "database_type": "Test-Country",
        "languages": ["en"],
        "description": {"en": "for tests"},
    }
    path.write_bytes(body + _SEPARATOR + data + _MARKER + _encoded(about))
    return path
