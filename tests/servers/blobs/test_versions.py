"""A bucket that keeps versions makes no difference to the port, and deleting leaves none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import SUSPENDED, VersioningConfig

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.testing.blobs import PART, BlobsContract, keys


@pytest.fixture
def client(own_s3_url: str) -> Minio:
    parts = urlsplit(own_s3_url)
    return Minio(parts.netloc.rpartition("@")[2], parts.username, parts.password, secure=False)


@pytest.fixture
def bucket(own_s3_url: str) -> str:
    return urlsplit(own_s3_url).path.strip("/")


@pytest.fixture(params=[ENABLED, SUSPENDED])
async def blobs(request: pytest.FixtureRequest, own_s3_url: str, client: Minio, bucket: str) -> AsyncIterator[Blobs]:
    client.make_bucket(bucket)
    client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    store = open_blobs(own_s3_url, clock=SystemClock(), url_key=b"")
    await store.prepare()
    await store.put("before", b"x")
    client.set_bucket_versioning(bucket, VersioningConfig(request.param))
    await store.delete(["before"])
    yield store
    await store.close()


def versions(client: Minio, bucket: str) -> list[str]:
    return [str(one.object_name) for one in client.list_objects(bucket, recursive=True, include_version=True)]


@pytest.mark.parametrize("blobs", [ENABLED], indirect=True)
class TestVersioned(BlobsContract):
    """All promises."""


async def test_deleting_leaves_no_version_and_no_mark(blobs: Blobs, client: Minio, bucket: str) -> None:
    for content in (b"1", b"2", b"3"):
        for key in ("a", "ab", "c/1", "c/2"):
            await blobs.put(key, content)
    ref = await blobs.multipart_begin("c/1", content_type="video/mp4")
    await blobs.send(await blobs.presign_part("c/1", ref, 1, size_bytes=1, expires_in_ms=60_000), b"x")
    await blobs.multipart_complete("c/1", ref, size_bytes=1, part_size_bytes=PART)
    await blobs.delete(["a", "never/was"])
    assert set(versions(client, bucket)) == {"ab", "c/1", "c/2", "~completed/c/1"}
    assert await blobs.delete_prefix("c/") == 2
    assert set(versions(client, bucket)) == {"ab"}
    assert await keys(blobs) == ["ab"]


async def test_versions_behind_a_mark_of_others_go_too(blobs: Blobs, client: Minio, bucket: str) -> None:
    for key in ("p/1", "p/2"):
        await blobs.put(key, b"x")
    client.remove_object(bucket, "p/1")
    assert await keys(blobs) == ["p/2"]
    assert await blobs.delete_prefix("p/") == 1
    assert versions(client, bucket) == []
