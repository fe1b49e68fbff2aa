"""Parts: signing, order, repeats, sizes, strangers, and links after the end."""

from __future__ import annotations

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound
from mesh.stores.blobs.door import BodySizeMismatch, LinkExpired, LinkInvalid
from mesh.stores.blobs.port import BlobNotFound
from tests.service.video.world import BOB, PART, World


async def test_links_name_exact_sizes_and_end_within_the_session(world: World) -> None:
    upload = await world.start(size=2_500)
    parts = await world.sign(upload.upload_id, 3, 1)
    assert [(part.part_number, part.size_bytes) for part in parts] == [(3, 500), (1, PART)]
    assert {part.expires_at_ms for part in parts} == {world.clock.now_ms() + 3_600_000}
    world.clock.advance(86_400_000 - 60_000)
    [late] = await world.sign(upload.upload_id, 1)
    assert late.expires_at_ms == upload.expires_at_ms


@pytest.mark.parametrize("number", [4, 10_000])
async def test_a_part_beyond_the_last_is_refused(world: World, number: int) -> None:
    upload = await world.start(size=2_500)
    with pytest.raises(InvalidArgument) as refused:
        await world.sign(upload.upload_id, 1, number)
    assert refused.value.reason == "PART_OUT_OF_RANGE"
    assert refused.value.facts == {"part_number": str(number), "part_count": "3"}


@pytest.mark.parametrize("numbers", [[], [0], [-1], [10_001], list(range(1, 102))])
async def test_part_numbers_that_cannot_be_are_refused(world: World, numbers: list[int]) -> None:
    upload = await world.start()
    with pytest.raises(InvalidArgument) as refused:
        await world.sign(upload.upload_id, *numbers)
    assert refused.value.reason == "INVALID_REQUEST"


async def test_parts_come_in_any_order_and_may_be_repeated(world: World) -> None:
    upload = await world.start(size=2_500)
    third, second, first = await world.sign(upload.upload_id, 3, 2, 1)
    await world.put(third.url, b"c" * 500)
    await world.put(first.url, b"wrong bytes " + b"a" * (PART - 12))
    await world.put(second.url, b"b" * PART)
    last = await world.put(first.url, b"a" * PART)
    received = (await world.get(upload.upload_id)).received_parts
    assert [(part.part_number, part.size_bytes) for part in received] == [(1, PART), (2, PART), (3, 500)]
    assert received[0].etag == last
    assert (await world.complete(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
    [key] = await world.objects("raw/")
    assert await (await world.blobs.get(key)).read() == b"a" * PART + b"b" * PART + b"c" * 500


@pytest.mark.parametrize("size", [PART - 1, PART + 1, 0])
async def test_a_part_of_another_size_is_not_taken(world: World, size: int) -> None:
    upload = await world.start(size=2_500)
    [part] = await world.sign(upload.upload_id, 1)
    with pytest.raises(BodySizeMismatch):
        await world.put(part.url, b"x" * size)
    assert not (await world.get(upload.upload_id)).received_parts


async def test_a_changed_or_late_link_takes_nothing(world: World) -> None:
    upload = await world.start(size=2_500)
    [part] = await world.sign(upload.upload_id, 1)
    with pytest.raises(LinkInvalid):
        await world.put(part.url.replace("/raw/", "/video/"), b"x" * PART)
    world.clock.advance(3_600_001)
    with pytest.raises(LinkExpired):
        await world.put(part.url, b"x" * PART)
    assert not (await world.get(upload.upload_id)).received_parts


async def test_a_link_takes_nothing_after_completion_or_abort(world: World) -> None:
    upload = await world.start(size=2_500)
    parts = await world.sign(upload.upload_id, 1)
    await world.send(upload)
    await world.complete(upload.upload_id)
    with pytest.raises(BlobNotFound):
        await world.put(parts[0].url, b"z" * PART)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(upload.upload_id, 1)
    assert (refused.value.reason, refused.value.facts["state"]) == ("UPLOAD_NOT_OPEN", "COMPLETED")
    other = await world.start(request_id="r2")
    [link] = await world.sign(other.upload_id, 1)
    await world.abort(other.upload_id)
    with pytest.raises(BlobNotFound):
        await world.put(link.url, b"z" * PART)
    with pytest.raises(FailedPrecondition):
        await world.sign(other.upload_id, 1)


async def test_a_session_past_its_end_signs_nothing(world: World) -> None:
    upload = await world.start()
    world.clock.advance(86_400_000)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(upload.upload_id, 1)
    assert refused.value.reason == "UPLOAD_NOT_OPEN"


async def test_sessions_of_others_do_not_exist(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    before = await world.rows()
    for upload_id in (upload.upload_id, 12345):
        for call in (
            world.sign(upload_id, 1, user_id=BOB),
            world.get(upload_id, user_id=BOB),
            world.complete(upload_id, user_id=BOB),
            world.abort(upload_id, user_id=BOB),
        ):
            with pytest.raises(NotFound) as refused:
                await call
            assert refused.value.reason == "UPLOAD_NOT_FOUND"
    assert await world.rows() == before
    assert len((await world.get(upload.upload_id)).received_parts) == 3


async def test_sessions_are_listed_newest_first_page_by_page_to_their_owner(world: World) -> None:
    ids = [(await world.start(request_id=f"r{n}")).upload_id for n in range(5)]
    stub = world.uploads()
    first = await stub.ListUploads(pb2.ListUploadsRequest(page_size=2))
    second = await stub.ListUploads(pb2.ListUploadsRequest(page_size=2, page_token=first.next_page_token))
    third = await stub.ListUploads(pb2.ListUploadsRequest(page_size=2, page_token=second.next_page_token))
    pages = [[upload.upload_id for upload in page.uploads] for page in (first, second, third)]
    assert pages == [ids[4:2:-1], ids[2:0:-1], ids[:1]]
    assert third.next_page_token == ""
    assert not (await world.uploads(BOB).ListUploads(pb2.ListUploadsRequest())).uploads
    with pytest.raises(InvalidArgument) as refused:
        await world.uploads(BOB).ListUploads(pb2.ListUploadsRequest(page_token=first.next_page_token))
    assert refused.value.reason == "INVALID_PAGE_TOKEN"
