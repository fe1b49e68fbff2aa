"""VerdictChanged: moderators and new rules move publications, in order and once."""

from __future__ import annotations

import pytest
from clipmesh.common.v1 import envelope_pb2, viewer_pb2
from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.video.v1 import video_service_pb2 as pb2

from mesh.events.incoming import Incoming
from svc_video.videos.consumers import VerdictsOfRights
from tests.service.video.world import BOB, MODERATOR, World

ALLOW, LIMIT = rights_pb2.VERDICT_KIND_ALLOW, rights_pb2.VERDICT_KIND_LIMIT
REVIEW, BLOCK = rights_pb2.VERDICT_KIND_REVIEW, rights_pb2.VERDICT_KIND_BLOCK


async def hear(world: World, verdict: rights_pb2.Verdict) -> None:
    consumer = VerdictsOfRights(changes=world.rooms.changes)
    envelope = envelope_pb2.EventEnvelope(
        event_id=verdict.verdict_id, topic="rights", key=str(verdict.video_id), key_version=verdict.version
    )
    await consumer.verdict_changed(Incoming(envelope=envelope, message=rights_events.VerdictChanged(verdict=verdict)))


async def state(world: World, video_id: int) -> str:
    [video] = await world.seen(video_id)
    return pb2.PublicationState.Name(video.publication_state).removeprefix("PUBLICATION_STATE_")


async def test_a_moderators_allow_publishes(world: World) -> None:
    world.rights.kind = REVIEW
    video_id = await world.public()
    assert await state(world, video_id) == "IN_REVIEW"
    await hear(world, world.rights.decide(video_id, ALLOW, publication_version=1))
    assert await state(world, video_id) == "PUBLISHED"
    assert (await world.event_names())[-1] == "VideoPublished"
    assert len(await world.seen(video_id, user_id=BOB)) == 1


async def test_takedown_and_its_reversal(world: World) -> None:
    video_id = await world.public()
    await hear(world, world.rights.decide(video_id, BLOCK, publication_version=1))
    assert await state(world, video_id) == "TAKEN_DOWN"
    assert await world.seen(video_id, user_id=BOB) == []
    assert [play.refusal for play in await world.plays(video_id)] == [4]
    assert [(one.video_id, one.epoch) for one in (await world.revocations()).revocations] == [(video_id, 2)]
    await hear(world, world.rights.decide(video_id, LIMIT, publication_version=1))
    assert await state(world, video_id) == "RESTRICTED"
    await hear(world, world.rights.decide(video_id, ALLOW, publication_version=1))
    assert await state(world, video_id) == "PUBLISHED"
    assert await world.event_names() == ["UploadCompleted", "VideoPublished", "VideoWithdrawn", "VideoPublished", "VideoChanged"]


async def test_old_and_repeated_verdicts_change_nothing(world: World) -> None:
    video_id = await world.public()
    first = world.rights.verdicts[video_id]
    limited = world.rights.decide(video_id, LIMIT, publication_version=1)
    await hear(world, limited)
    before = await world.rows()
    for verdict in (first, limited):
        await hear(world, verdict)
    assert await world.rows() == before
    assert await state(world, video_id) == "RESTRICTED"


async def test_a_verdict_that_arrives_as_event_before_the_answer_is_the_same(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id, has_audio=False)
    await world.playable(video_id, audio_key="")
    await world.publish(video_id)
    await hear(world, world.rights.decide(video_id, ALLOW, publication_version=1))
    assert await state(world, video_id) == "PUBLISHED"
    await world.work()
    assert await world.event_names() == ["UploadCompleted", "VideoPublished"]


async def test_review_of_a_public_video_withdraws_it_and_ends_its_grants(world: World) -> None:
    video_id = await world.public()
    await hear(world, world.rights.decide(video_id, REVIEW, publication_version=1))
    assert await state(world, video_id) == "IN_REVIEW"
    assert await world.seen(video_id, user_id=BOB) == []
    assert len((await world.revocations()).revocations) == 1
    assert [video.video_id for video in await world.seen(video_id, user_id=MODERATOR, roles=(viewer_pb2.ROLE_MODERATOR,))] == [video_id]


@pytest.mark.parametrize("kind", [ALLOW, LIMIT])
async def test_words_changed_while_refused_are_judged_before_they_are_shown(world: World, kind: rights_pb2.VerdictKind.ValueType) -> None:
    video_id = await world.public()
    await hear(world, world.rights.decide(video_id, BLOCK, publication_version=1))
    await world.update(video_id, caption="worse words")
    assert await state(world, video_id) == "TAKEN_DOWN"
    asked = len(world.rights.asked)
    world.rights.down = True
    await hear(world, world.rights.decide(video_id, kind, publication_version=1))
    assert await state(world, video_id) == "ASSESSING"
    assert await world.seen(video_id, user_id=BOB) == []
    world.rights.down = False
    world.rights.kind = BLOCK
    await world.work()
    assert (len(world.rights.asked), world.rights.asked[-1].caption) == (asked + 1, "worse words")
    assert await state(world, video_id) == "REJECTED"


async def test_verdicts_on_unknown_deleted_and_unpublished_videos_are_harmless(world: World) -> None:
    draft, gone = await world.processing(), await world.public(request_id="gone")
    await world.delete(gone)
    before = await world.rows()
    for video_id in (draft, gone, 424_242):
        await hear(world, rights_pb2.Verdict(verdict_id=9, video_id=video_id, kind=ALLOW, publication_version=1, version=99))
    assert await world.rows() == before
