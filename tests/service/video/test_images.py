"""Pictures of people over gRPC: sent, made into squares, permitted to their owner, removed when nobody shows them."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import events_pb2
from clipmesh.video.v1 import image_service_pb2 as pb
from clipmesh.video.v1.image_service_pb2_grpc import ImageServiceStub
from PIL import Image as Picture

from mesh.client import RpcFailed
from mesh.events.incoming import Incoming
from mesh.grants import GrantKind, read_grant
from mesh.permits import Permits
from mesh.testing.rpc import secrets_for, viewer
from svc_video.images import rules, sweeper
from svc_video.images.consumers import AvatarsOfPeople
from svc_video.images.orphans import ORPHAN_AFTER_MS
from svc_video.images.tables import IMAGE_TABLES, Image, ImageShelf, ImageState, UnsettledImage
from svc_video.layout import avatar_key, sent_key
from svc_video.strangers import MOST_UNKNOWN
from tests.service.video.world import ALICE, BOB, World, world_in

HOUR_MS = 3_600_000


def jpeg(colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (90, 60), colour).save(file, format="JPEG")
    return file.getvalue()


SENT = jpeg()


async def coloured(source: Path, sides: Sequence[int]) -> Mapping[int, bytes]:
    """Squares without the second that the sandbox takes."""
    return {side: b"square %d of %d bytes" % (side, source.stat().st_size) for side in sides}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        made.rooms.images._squares = coloured
        yield made


def images(world: World, user_id: int = ALICE) -> ImageServiceStub:
    return world.served.stub(ImageServiceStub, viewer=viewer(user_id=user_id))


async def start(world: World, user_id: int = ALICE, *, size: int = len(SENT), request_id: str = "r1") -> pb.StartImageResponse:
    return await images(world, user_id).StartImage(pb.StartImageRequest(request_id=request_id, size_bytes=size))


async def complete(world: World, image_id: int, user_id: int = ALICE) -> pb.CompleteImageResponse:
    return await images(world, user_id).CompleteImage(pb.CompleteImageRequest(image_id=image_id))


async def ready(world: World, user_id: int = ALICE, *, request_id: str = "r1") -> int:
    place = await start(world, user_id, request_id=request_id)
    await world.put(place.url, SENT)
    await complete(world, place.image_id, user_id)
    return place.image_id


async def shown(world: World, *image_ids: int) -> list[int]:
    answer = await images(world, BOB).BatchGetImages(pb.BatchGetImagesRequest(image_ids=image_ids))
    return [image.image_id for image in answer.images]


async def reason(call: Any) -> str:
    with pytest.raises(RpcFailed) as refused:
        await call
    return refused.value.reason


async def state(world: World, image_id: int) -> ImageState | None:
    image = await world.tables.get(Image, image_id)
    return image.state if image is not None else None


async def told(world: World, user_id: int, avatar_id: int, *, version: int = 2) -> None:
    """Social says what a person shows now."""
    world.social.avatars[user_id] = avatar_id
    message = events_pb2.ProfileChanged(facts=events_pb2.ProfileFacts(user_id=user_id, avatar_id=avatar_id, version=version))
    envelope = EventEnvelope(key=str(user_id), key_version=version)
    await AvatarsOfPeople(images=world.rooms.images).profile_changed(Incoming(envelope=envelope, message=message))


async def test_a_picture_becomes_squares_that_its_owner_may_show(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        place = await start(world)
        await world.put(place.url, SENT)
        answer = await complete(world, place.image_id)
        assert await world.objects() == [avatar_key(place.image_id, side) for side in sorted(rules.SIDES, key=str)]
        assert list(answer.image.sides) == [64, 128, 512]
        for side in answer.image.sides:
            with Picture.open(io.BytesIO(await (await world.blobs.get(avatar_key(place.image_id, side))).read())) as square:
                assert (square.format, square.size) == ("WEBP", (side, side))
        token = answer.image.root_path.split("/")[2]
        secrets = secrets_for("gateway")
        grant = read_grant(
            token, verify=lambda message, signature: secrets.verify("video", message, signature), now_ms=world.clock.now_ms()
        )
        assert (grant.prefix, grant.kind) == (f"avatars/{place.image_id}/", GrantKind.IMAGES)
        permits = Permits(secrets=secrets_for("social"), clock=world.clock)
        for owner, good in ((ALICE, True), (BOB, False)):
            try:
                permits.verify(
                    answer.permit, issuer="video", kind=permit_pb2.PERMIT_KIND_AVATAR, subject_id=place.image_id, viewer_id=owner
                )
            except Exception:
                assert not good
            else:
                assert good
        assert await shown(world, place.image_id) == [place.image_id]


async def test_repeats_change_nothing(world: World) -> None:
    first, again = await start(world), await start(world)
    assert first.image_id == again.image_id
    await world.put(again.url, SENT)
    await complete(world, first.image_id)
    before = await world.objects()
    world.clock.advance(1_000)
    assert (await complete(world, first.image_id)).image.image_id == first.image_id
    assert await world.objects() == before
    ended = await start(world)
    assert (ended.image_id, ended.url) == (first.image_id, "")
    [shelf] = (await world.rows(ImageShelf))[ImageShelf]
    assert shelf.held == (first.image_id,)


async def test_others_know_nothing_of_a_picture_that_is_not_theirs(world: World) -> None:
    place = await start(world)
    await world.put(place.url, SENT)
    before = await world.rows(*IMAGE_TABLES)
    assert await reason(complete(world, place.image_id, BOB)) == "IMAGE_NOT_FOUND"
    assert await reason(complete(world, 12_345)) == "IMAGE_NOT_FOUND"
    assert await shown(world, place.image_id, 12_345) == []
    assert await world.rows(*IMAGE_TABLES) == before


async def test_what_did_not_come_is_awaited_until_its_time_is_over(world: World) -> None:
    place = await start(world)
    assert await reason(complete(world, place.image_id)) == "IMAGE_NOT_SENT"
    await world.put(place.url, SENT)
    world.clock.advance(HOUR_MS)
    assert await reason(complete(world, place.image_id)) == "IMAGE_NOT_OPEN"
    await world.rooms.image_sweeper.sweep()
    assert await state(world, place.image_id) is ImageState.GONE
    rows = await world.rows(ImageShelf, UnsettledImage)
    assert ([shelf.held for shelf in rows[ImageShelf]], rows[UnsettledImage]) == ([()], [])
    assert await world.objects() == []
    assert await world.blobs.multipart_list("sent/") == []


async def test_a_refused_picture_stays_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
        place = await start(world, size=len(svg))
        await world.put(place.url, svg)
        for _ in range(2):
            assert await reason(complete(world, place.image_id)) == "UNSUPPORTED_IMAGE"
        assert await state(world, place.image_id) is ImageState.REFUSED
        assert await world.objects() == []
        [shelf] = (await world.rows(ImageShelf))[ImageShelf]
        assert shelf.held == ()
        await world.rooms.image_sweeper.sweep()
        assert (await world.rows(UnsettledImage))[UnsettledImage] == []


async def test_size_number_and_pace_are_bounded(world: World) -> None:
    assert await reason(start(world, size=rules.Limits().max_bytes + 1)) == "FILE_TOO_LARGE"
    assert (await world.rows(Image, ImageShelf))[Image] == []
    for number in range(rules.Limits().held):
        await start(world, request_id=f"held {number}")
    assert await reason(start(world, request_id="one more")) == "TOO_MANY_OPEN_UPLOADS"
    assert len((await world.rows(Image))[Image]) == rules.Limits().held
    begun = rules.Limits().held
    while begun < rules.Limits().daily:
        world.clock.advance(HOUR_MS)
        await world.rooms.image_sweeper.sweep()
        for number in range(min(rules.Limits().held, rules.Limits().daily - begun)):
            await start(world, request_id=f"{begun + number}")
        begun += rules.Limits().held
    world.clock.advance(HOUR_MS)
    await world.rooms.image_sweeper.sweep()
    assert await reason(start(world, request_id="twenty-first")) == "DAILY_LIMIT_EXCEEDED"
    world.clock.advance(rules.DAY_MS)
    assert (await start(world, request_id="tomorrow")).url


async def test_a_replaced_picture_goes_and_the_one_that_is_shown_stays(world: World) -> None:
    old = await ready(world)
    await told(world, ALICE, old)
    world.clock.advance(rules.SPARED_MS)
    await world.rooms.image_sweeper.sweep()
    new = await ready(world, request_id="r2")
    await told(world, ALICE, new, version=3)
    await world.rooms.image_sweeper.sweep()
    # The permit of the new one may be on its way; the old one's is long over.
    assert [await state(world, one) for one in (old, new)] == [ImageState.GONE, ImageState.READY]
    assert await shown(world, old, new) == [new]
    assert await world.objects() == [avatar_key(new, side) for side in sorted(rules.SIDES, key=str)]
    world.clock.advance(rules.SPARED_MS)
    await world.rooms.image_sweeper.sweep()
    rows = await world.rows(ImageShelf, UnsettledImage)
    assert ([shelf.held for shelf in rows[ImageShelf]], rows[UnsettledImage]) == ([(new,)], [])
    assert await reason(complete(world, old)) == "IMAGE_NOT_OPEN"
    await told(world, ALICE, 0, version=4)
    await world.rooms.image_sweeper.sweep()
    assert (await state(world, new), await world.objects()) == (ImageState.GONE, [])


async def test_a_picture_that_nobody_came_to_show_goes(world: World) -> None:
    image_id = await ready(world)
    world.clock.advance(rules.SPARED_MS - 1)
    await world.rooms.image_sweeper.sweep()
    assert await state(world, image_id) is ImageState.READY
    world.clock.advance(1)
    await world.rooms.image_sweeper.sweep()
    assert (await state(world, image_id), await world.objects()) == (ImageState.GONE, [])


async def test_an_old_or_forged_event_costs_nobody_their_picture(world: World) -> None:
    image_id = await ready(world)
    await told(world, ALICE, image_id)
    world.clock.advance(rules.SPARED_MS)
    await told(world, ALICE, 99)
    world.social.avatars[ALICE] = image_id
    await world.rooms.image_sweeper.sweep()
    assert await state(world, image_id) is ImageState.READY
    assert (await world.rows(UnsettledImage))[UnsettledImage] == []


async def test_nothing_goes_while_social_cannot_say(world: World) -> None:
    image_id = await ready(world)
    world.clock.advance(rules.SPARED_MS)
    world.social.down = True
    with pytest.raises(RpcFailed):
        await world.rooms.image_sweeper.sweep()
    assert await state(world, image_id) is ImageState.READY


async def test_a_permit_that_is_given_while_the_sweeper_asks_keeps_the_picture(world: World) -> None:
    image_id = await ready(world)
    world.clock.advance(rules.SPARED_MS)
    ask = world.rooms.image_sweeper._shown_by

    async def slow(people: Any) -> Mapping[int, int]:
        answer = await ask(people)
        await complete(world, image_id)
        return answer

    world.rooms.image_sweeper._shown_by = slow
    await world.rooms.image_sweeper.sweep()
    assert await state(world, image_id) is ImageState.READY
    assert len(await world.objects()) == len(rules.SIDES)


async def test_a_start_that_died_gives_its_place_back(world: World) -> None:
    store = world.rooms.images._store
    image_id = world.ids.next()
    await store.note([image_id], owner_id=ALICE, now_ms=world.clock.now_ms())
    await store.change_shelf(ALICE, lambda shelf: rules.reserved(shelf, image_id, now_ms=world.clock.now_ms(), limits=rules.Limits()))
    await world.rooms.image_sweeper.sweep()
    assert (await store.shelf_of(ALICE)).held == (image_id,)
    world.clock.advance(sweeper.UNWRITTEN_AFTER_MS)
    await world.rooms.image_sweeper.sweep()
    assert (await store.shelf_of(ALICE)).held == ()
    assert (await world.rows(UnsettledImage))[UnsettledImage] == []


async def test_objects_of_no_picture_are_removed_and_those_of_another_system_are_not(world: World) -> None:
    image_id = await ready(world)
    stranger = world.ids.next()
    for key in (avatar_key(stranger, 64), sent_key(stranger), sent_key(image_id), "sent/not-ours"):
        await world.blobs.put(key, b"x", content_type="image/webp")
    await world.blobs.multipart_begin(sent_key(stranger), content_type="image/webp")
    await world.rooms.image_sweeper.reconcile()
    assert len(await world.objects()) == len(rules.SIDES) + 4
    world.clock.advance(ORPHAN_AFTER_MS + 1_000)
    await world.rooms.image_sweeper.reconcile()
    assert await world.objects() == [avatar_key(image_id, side) for side in sorted(rules.SIDES, key=str)]
    assert await world.blobs.multipart_list("sent/") == []
    strangers = [world.ids.next() for _ in range(MOST_UNKNOWN + 2)]
    for one in strangers:
        await world.blobs.put(avatar_key(one, 64), b"x", content_type="image/webp")
    world.clock.advance(ORPHAN_AFTER_MS + 1_000)
    await world.rooms.image_sweeper.reconcile()
    assert len(await world.objects()) == len(rules.SIDES) + len(strangers)
