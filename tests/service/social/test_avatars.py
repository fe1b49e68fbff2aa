"""The picture that a person shows: under video's word alone, one at a time, told by its id."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import events_pb2, graph_service_pb2
from clipmesh.social.v1 import profile_service_pb2 as pb
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from mesh.client import RpcFailed
from mesh.permits import LONGEST_MS, SKEW_MS, Permits
from mesh.testing.rpc import secrets_for, viewer
from tests.service.social.world import World

PICTURE, OTHER = 7_001, 7_002


def permit(world: World, user_id: int, image_id: int = PICTURE, *, issuer: str = "video", **fields: Any) -> permit_pb2.SignedPermit:
    """A word on a picture, video's unless somebody else's."""
    values = {"viewer_id": user_id, "kinds": [permit_pb2.PERMIT_KIND_AVATAR], "owner_id": user_id, "epoch": 0, **fields}
    return Permits(secrets=secrets_for(issuer), clock=world.clock).issue(subject_id=image_id, **values)


async def show(
    world: World, user_id: int, image_id: int = PICTURE, *, signed: permit_pb2.SignedPermit | None = None, request_id: str = ""
) -> pb.Profile:
    request = pb.SetAvatarRequest(
        request_id=request_id or uuid.uuid4().hex, image_id=image_id, permit=signed or permit(world, user_id, image_id)
    )
    return (await world.profiles(user_id).SetAvatar(request)).profile


async def remove(world: World, user_id: int, *, request_id: str = "") -> pb.Profile:
    return (await world.profiles(user_id).RemoveAvatar(pb.RemoveAvatarRequest(request_id=request_id or uuid.uuid4().hex))).profile


async def told(world: World) -> list[events_pb2.ProfileFacts]:
    """What events said of profiles."""
    changed = [event for event in await world.events() if event.type.endswith("ProfileChanged")]
    return [events_pb2.ProfileChanged.FromString(event.payload).facts for event in changed]


async def seen(world: World, user_id: int) -> int:
    [profile] = (await world.profiles().BatchGetProfiles(pb.BatchGetProfilesRequest(user_ids=[user_id]))).profiles
    return profile.avatar_id


async def test_a_picture_is_shown_replaced_and_taken_away(world: World) -> None:
    alice = await world.sign_up("alice")
    assert await seen(world, alice) == 0
    assert (await show(world, alice)).avatar_id == PICTURE
    assert (await show(world, alice, OTHER)).avatar_id == OTHER
    assert await seen(world, alice) == OTHER
    assert (await remove(world, alice)).avatar_id == 0
    assert (await remove(world, alice)).avatar_id == 0
    assert [(facts.avatar_id, facts.version) for facts in await told(world)] == [(PICTURE, 2), (OTHER, 3), (0, 4)]


async def test_the_repeat_of_a_request_changes_nothing_that_came_since(world: World) -> None:
    alice = await world.sign_up("alice")
    await show(world, alice, request_id="first")
    await show(world, alice, OTHER)
    # A repeat brings a permit of its own.
    world.clock.advance(1)
    assert (await show(world, alice, request_id="first")).avatar_id == OTHER
    await remove(world, alice, request_id="gone")
    await show(world, alice)
    assert (await remove(world, alice, request_id="gone")).avatar_id == PICTURE
    with pytest.raises(RpcFailed) as reused:
        await show(world, alice, OTHER, request_id="first")
    assert reused.value.reason == "REQUEST_ID_REUSED"
    assert await seen(world, alice) == PICTURE


async def test_nobody_shows_what_video_does_not_permit_them(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    late = permit(world, alice)
    tampered = permit_pb2.SignedPermit.FromString(permit(world, alice).SerializeToString())
    tampered.signature = bytes(64)
    for signed in (
        permit(world, bob),
        permit(world, alice, OTHER),
        permit(world, alice, issuer="gateway"),
        permit(world, alice, kinds=[permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_ENGAGE]),
        tampered,
    ):
        with pytest.raises(RpcFailed) as refused:
            await show(world, alice, signed=signed)
        assert refused.value.reason == "INVALID_PERMIT"
    world.clock.advance(LONGEST_MS + SKEW_MS)
    with pytest.raises(RpcFailed) as refused:
        await show(world, alice, signed=late)
    assert refused.value.reason == "INVALID_PERMIT"
    assert (await seen(world, alice), await told(world)) == (0, [])


async def test_whom_a_block_parts_sees_no_picture(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    await show(world, alice)
    assert await seen(world, alice) == PICTURE
    graph = world.served.stub(GraphServiceStub, viewer=viewer(user_id=alice))
    await graph.Block(graph_service_pb2.BlockRequest(request_id="b", user_id=bob))
    assert list((await world.profiles(bob).BatchGetProfiles(pb.BatchGetProfilesRequest(user_ids=[alice]))).profiles) == []
