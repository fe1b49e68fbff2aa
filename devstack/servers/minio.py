"""MinIO, an S3 server, built from its source through the Go module proxy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack.servers.cache import Cache
from devstack.servers.keeper import Keeper
from devstack.servers.probes import minio_answers
from devstack.servers.recipe import Command, Place
from devstack.servers.refusals import FetchFailed
from devstack.servers.tools import find_go

# Its release tags are no versions of Go, so the module proxy knows it by commits alone, and `@latest` is another server every few weeks. This was the
# newest when it was chosen; Go's checksum database sees to it that every machine builds the same source.
VERSION: Final = "v0.0.0-20260212201848-7aac2a2c5b7c"
KEY: Final = "clipmesh"
SECRET: Final = "clipmesh-on-loopback"  # noqa: S105 the server listens on loopback and keeps what tests write
BUCKET: Final = "clipmesh"


@dataclass(frozen=True, slots=True)
class Minio:
    """One server with one disk, without its console."""

    name: str = "minio"
    version: str = VERSION
    variable: str = "CLIPMESH_BLOBS"
    port_count: int = 1

    @property
    def _kept_as(self) -> str:
        return f"minio-{self.version}"

    def fetched(self, cache: Cache) -> bool:
        """True when it was built before."""
        return cache.holds(self._kept_as)

    def fetch(self, cache: Cache, keeper: Keeper) -> None:
        """Build it, which takes some minutes. Raises MissingTool, FetchFailed."""
        self._binary(cache, keeper)

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """A server that keeps its objects in `data`."""
        (place.folder / "data").mkdir(parents=True, exist_ok=True)
        address = ("--address", f"127.0.0.1:{place.ports[0]}")
        return Command(
            arguments=(str(self._binary(cache, keeper)), "server", "--quiet", *address, str(place.folder / "data")),
            variables={"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off", "GOMEMLIMIT": "256MiB"},
        )

    def answers(self, port: int) -> bool:
        """True when it takes writes."""
        return minio_answers(port)

    def url(self, port: int) -> str:
        """One bucket of it, under the keys of its owner."""
        return f"s3://{KEY}:{SECRET}@127.0.0.1:{port}/{BUCKET}"

    def _binary(self, cache: Cache, keeper: Keeper) -> Path:
        def build(folder: Path) -> None:
            install = (str(find_go()), "install", "-trimpath", "-ldflags=-s -w", f"github.com/minio/minio@{self.version}")
            keeper.fetch(install, folder=folder, log=folder / "go.log", GOBIN=str(folder), CGO_ENABLED="0")
            if not (folder / "minio").is_file():
                raise FetchFailed("go ended well and built no minio")

        return cache.folder(self._kept_as, build) / "minio"
