"""A door and an edge over a store on files in a folder of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.media.edge import MediaEdge
from gateway.media.revocations import RevocationCopy
from mesh.grants import Grant, GrantKind, sign_grant
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.files import FileBlobs
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import SIGNER, Revocations, verify


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def blobs(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FileBlobs]:
    store = open_blobs(f"file://{tmp_path}/store", clock=clock, url_key=b"k" * 32)
    assert isinstance(store, FileBlobs)
    yield store
    await store.close()


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], list[str]]:
    """Every file in the store's folder but the facts of open uploads: what a refusal must not add to."""

    def files() -> list[str]:
        found = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != "upload.json"]
        return sorted(path.name for path in found)

    return files


@pytest.fixture
def revocations() -> Revocations:
    return Revocations()


@pytest.fixture
def copy(revocations: Revocations, clock: FakeClock) -> RevocationCopy:
    return RevocationCopy(list_revocations=revocations.list, clock=clock)


@pytest.fixture
def edge(blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock) -> MediaEdge:
    return MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=clock)


@pytest.fixture
async def app(edge: MediaEdge, copy: RevocationCopy) -> ASGIApp:
    """The edge with a fresh copy of the revocations."""
    await copy.poll()
    return Starlette(routes=edge.routes())


@pytest.fixture
def grant(clock: FakeClock) -> Callable[..., str]:
    """Sign a grant for video 1, changed as asked."""

    def sign(**changes: Any) -> str:
        facts = {"video_id": 1, "epoch": 4, "expires_at_ms": clock.now_ms() + 600_000, "prefix": "video/1/", "kind": GrantKind.MEDIA}
        return sign_grant(Grant(**{**facts, **changes}), sign=SIGNER.sign)

    return sign
