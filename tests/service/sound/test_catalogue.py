"""Original sounds: made once for each video, credited to its creator, read by id."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clipmesh.sound.v1 import catalogue_service_pb2 as pb

from mesh.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable
from mesh.stores.tables.port import TablesUnavailable
from svc_sound.catalogue.store import CatalogueStore
from svc_sound.catalogue.tables import OriginalSound, Sound
from tests.service.sound.world import CREATOR, World, video


async def test_a_video_gets_an_original_sound_credited_to_its_creator(world: World) -> None:
    sound = await world.register(5)
    assert sound == pb.Sound(
        sound_id=sound.sound_id,
        kind=pb.SOUND_KIND_ORIGINAL,
        title="",
        creator_id=CREATOR,
        source_video_id=5,
        duration_ms=12_000,
        video_count=0,
        created_at_ms=world.clock.now_ms(),
        version=1,
    )
    assert sound.sound_id > 0
    assert await world.get(sound.sound_id) == sound
    ((envelope, event),) = await world.created()
    assert (envelope.key, envelope.key_version, list(envelope.subject_ids)) == (str(sound.sound_id), 1, [CREATOR])
    assert event.sound == sound


async def test_registration_is_idempotent_under_twenty_calls_at_once(world: World) -> None:
    sounds = await asyncio.gather(*(world.register(5) for _ in range(20)))
    assert len({sound.SerializeToString() for sound in sounds}) == 1
    assert len(await world.rows(Sound)) == len(await world.rows(OriginalSound)) == len(await world.created()) == 1


async def test_the_first_facts_stay_whatever_a_repeat_says(world: World) -> None:
    first = await world.register(5)
    world.clock.advance(60_000)
    assert await world.register(5, creator_id=77, duration_ms=1, audio_key="other") == first
    assert (await world.rows(Sound))[0].audio_key == "audio/5/audio.mp4"
    other = await world.register(6)
    assert other.sound_id != first.sound_id
    assert len(await world.created()) == 2


async def test_a_crash_between_claim_and_sound_is_healed_by_the_next_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(*_: Any) -> Any:
        raise TablesUnavailable("the process died here")

    with monkeypatch.context() as patched:
        patched.setattr(CatalogueStore, "add", dies)
        with pytest.raises(Unavailable):
            await world.register(5)
    (claim,) = await world.rows(OriginalSound)
    assert (await world.rows(Sound), await world.created()) == ([], [])
    sound = await world.register(5)
    assert sound.sound_id == claim.sound_id
    assert len(await world.created()) == 1


async def test_sounds_are_given_in_the_order_asked_without_the_absent(world: World) -> None:
    one, two = await world.register(1), await world.register(2)
    assert await world.many(two.sound_id, 99, one.sound_id, two.sound_id) == [two, one]
    assert await world.many() == []
    assert await world.many(*range(1, 201)) == []


async def test_an_unknown_sound_is_refused_by_name(world: World) -> None:
    for call in (world.get(99), world.videos_of(99)):
        with pytest.raises(NotFound) as failed:
            await call
        assert failed.value.reason == "SOUND_NOT_FOUND"
        assert failed.value.facts == {"sound_id": "99"}


async def test_counts_come_with_every_answer(world: World) -> None:
    sound = await world.register(5)
    await world.publish(video(5, sound.sound_id), video(6, sound.sound_id), video(7, sound.sound_id))
    await world.withdraw(6)
    for answer in (await world.get(sound.sound_id), (await world.many(sound.sound_id))[0], await world.register(5)):
        assert answer.video_count == 2


@pytest.mark.parametrize(
    "bad",
    [{"video_id": 0}, {"video_id": -1}, {"creator_id": 0}, {"duration_ms": 0}, {"audio_key": ""}, {"audio_key": "x" * 513}],
)
async def test_bad_facts_are_refused_and_change_nothing(world: World, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await world.register(**{"video_id": 5, **bad})
    assert not any((await world.everything()).values())


async def test_other_bad_requests_are_refused(world: World) -> None:
    sound = await world.register(5)
    for call in (
        world.many(*range(1, 202)),
        world.get(0),
        world.videos_of(0),
        world.videos_of(sound.sound_id, size=-1),
        world.videos_of(sound.sound_id, token="x" * 1_025),
    ):
        with pytest.raises(InvalidArgument):
            await call


async def test_only_video_registers_sounds(world: World) -> None:
    request = pb.RegisterOriginalSoundRequest(video_id=1, creator_id=1, duration_ms=1, audio_key="a")
    for caller in ("gateway", "feed", "stranger"):
        with pytest.raises(PermissionDenied):
            await world.stub(caller).RegisterOriginalSound(request)
    assert not any((await world.everything()).values())
