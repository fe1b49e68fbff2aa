"""What keeps the things of a system under test: the folder, or servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from redis import Redis


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The embedded ones. Others inherit, and say what they have in place of the folder."""

    stores: Mapping[str, str] = field(default_factory=dict)
    """URLs of the stores that are servers, by their variable."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What a system needs besides the settings of all."""
    least_part_bytes: int = 16_384
    """The smallest parts that uploads may have: so small that a clip of the tests has several."""
    patience_s: float = 60.0
    """How long people and tests wait for what has to come, in seconds."""
    of_rows: str = ""
    """The server whose death leaves every service without its rows; none where each has a file of its own."""

    def url(self, variable: str, folder: Path) -> str:
        """Where a store of the system in `folder` is, as its own processes are told."""
        embedded = {
            "CLIPMESH_TABLES": f"sqlite:///{folder / 'tables'}",
            "CLIPMESH_BLOBS": f"file://{folder / 'blobs'}",
            "CLIPMESH_REDIS": f"unix://{folder / 'run' / 'redis.sock'}",
            "CLIPMESH_EVENTS": "",
        }
        return self.stores.get(variable, embedded[variable])

    def small_parts(self, part_bytes: int) -> dict[str, str]:
        """Settings under which a clip has as many parts as it can."""
        wanted = max(part_bytes, self.least_part_bytes)
        return {"CLIPMESH_UPLOAD_PART_BYTES": str(wanted), "CLIPMESH_UPLOAD_MAX_BYTES": "67108864"}

    def in_parts(self, clip: bytes, part_bytes: int, *, count: int = 3) -> bytes:
        """The clip, with so much free space behind it that it has `count` such parts at least."""
        missing = (count - 1) * max(part_bytes, self.least_part_bytes) + 1 - len(clip)
        return clip if missing <= 0 else clip + (missing + 8).to_bytes(4) + b"free" + bytes(missing)

    def kill(self, server: str) -> None:
        """End a server as a power cut would, and start it again. Blocks. The embedded ones have none besides the system's own processes."""
        raise KeyError(server)

    def written(self, topic: str, folder: Path) -> int:
        """How many records a topic of the system in `folder` keeps now. Blocks."""
        with Redis.from_url(self.url("CLIPMESH_REDIS", folder), socket_timeout=self.patience_s) as redis:
            return sum(redis.xlen(key) for key in redis.scan_iter(match=f"*stream:{topic}:*"))

    def objects(self, folder: Path) -> list[str]:
        """Everything that lies in the object store, unfinished uploads too, as it is called there."""
        root = folder / "blobs"
        return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


EMBEDDED: Final = Engines()
