"""Playback: grants that the media edge believes, start levels, refusals and revocations."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.video.v1 import playback_service_pb2 as pb2
from clipmesh.video.v1 import video_service_pb2
from clipmesh.video.v1.playback_service_pb2_grpc import PlaybackServiceStub

from mesh.errors import InvalidArgument, PermissionDenied
from mesh.grants import GrantInvalid, GrantKind, read_grant
from mesh.stores.tables.port import TablesUnavailable
from mesh.testing.rpc import secrets_for
from svc_video.layout import images_prefix, video_prefix
from svc_video.videos.tables import OpenWork, WorkKind
from tests.service.video.world import ALICE, BOB, LADDER, RENDITION_720, World

WIFI, G5, G4 = viewer_pb2.NETWORK_CLASS_WIFI, viewer_pb2.NETWORK_CLASS_5G, viewer_pb2.NETWORK_CLASS_4G
G3, SLOW, UNKNOWN = viewer_pb2.NETWORK_CLASS_3G, viewer_pb2.NETWORK_CLASS_SLOW, viewer_pb2.NETWORK_CLASS_UNSPECIFIED


def token_of(path: str) -> str:
    return path.split("/")[2]


async def test_a_public_video_plays_with_a_grant_for_its_prefix(world: World) -> None:
    video_id = await world.public()
    [play] = await world.plays(video_id, user_id=BOB)
    token, pictures = token_of(play.master_playlist_path), token_of(play.poster_path)
    root = f"/m/{token}"
    assert play == pb2.Playback(
        video_id=video_id,
        master_playlist_path=f"{root}/master.m3u8",
        start_playlist_path=f"{root}/720p.m3u8",
        dash_manifest_path=f"{root}/manifest.mpd",
        mp4_path=f"{root}/720p.mp4",
        poster_path=f"/m/{pictures}/poster.jpg",
        preview_path=f"/m/{pictures}/preview.webp",
        storyboard_path=f"/m/{pictures}/storyboard.vtt",
        start_level=720,
        expires_at_ms=play.expires_at_ms,
        renditions=[720],
    )
    secrets = secrets_for("gateway")

    def verify(message: bytes, signature: bytes) -> bool:
        return secrets.verify("video", message, signature)

    grant = read_grant(token, verify=verify, now_ms=world.clock.now_ms())
    assert (grant.video_id, grant.epoch, grant.prefix, grant.kind) == (video_id, 1, video_prefix(video_id), GrantKind.MEDIA)
    images = read_grant(pictures, verify=verify, now_ms=world.clock.now_ms())
    assert images == replace(grant, prefix=images_prefix(video_id), kind=GrantKind.IMAGES)
    assert grant.expires_at_ms == play.expires_at_ms
    assert 540_000 < play.expires_at_ms - world.clock.now_ms() <= 600_000
    with pytest.raises(GrantInvalid):
        read_grant(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"), verify=verify, now_ms=world.clock.now_ms())


async def test_pictures_are_told_of_once_they_are_there(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id, seen=False)
    await world.playable(video_id)
    [early] = await world.plays(video_id, user_id=ALICE)
    assert (early.refusal, early.mp4_path.endswith("/720p.mp4")) == (0, True)
    assert (early.poster_path, early.preview_path, early.storyboard_path) == ("", "", "")
    assert early.waveform_path.endswith("/waveform.json")
    await world.see(video_id, has_storyboard=False)
    [seen] = await world.plays(video_id, user_id=ALICE)
    assert (seen.poster_path.split("/")[-1], seen.preview_path.split("/")[-1], seen.storyboard_path) == ("poster.jpg", "preview.webp", "")


GROWING = "work/1/abc/def/growing/"


async def test_what_is_made_already_plays_for_its_creator_alone(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id, seen=False)
    before = await world.rows()
    assert await world.plays(video_id) == [pb2.Playback(video_id=video_id, refusal=pb2.PLAYBACK_REFUSAL_NOT_READY)]
    await world.rooms.media.began_to_grow(video_id, growing_prefix=GROWING)
    changed = {row_type.__name__ for row_type, rows in (await world.rows()).items() if rows != before[row_type]}
    assert changed == {"MediaFacts"}, "neither state nor epoch"
    assert await world.event_names() == ["UploadCompleted"]

    [play] = await world.plays(video_id)
    token = token_of(play.growing_playlist_path)
    assert play == pb2.Playback(
        video_id=video_id,
        refusal=pb2.PLAYBACK_REFUSAL_NOT_READY,
        growing_playlist_path=f"/m/{token}/growing.m3u8",
        expires_at_ms=play.expires_at_ms,
    )
    secrets = secrets_for("gateway")
    grant = read_grant(token, verify=lambda message, signature: secrets.verify("video", message, signature), now_ms=world.clock.now_ms())
    assert (grant.video_id, grant.epoch, grant.prefix, grant.kind) == (video_id, 1, GROWING, GrantKind.MEDIA)
    assert grant.expires_at_ms == play.expires_at_ms
    not_found = [pb2.Playback(video_id=video_id, refusal=pb2.PLAYBACK_REFUSAL_NOT_FOUND)]
    assert await world.plays(video_id, user_id=BOB) == not_found
    assert await world.plays(video_id, user_id=BOB, roles=[viewer_pb2.ROLE_MODERATOR]) == not_found

    await world.playable(video_id)
    [whole] = await world.plays(video_id)
    assert (whole.refusal, whole.growing_playlist_path, whole.mp4_path.endswith("/720p.mp4")) == (0, "", True)


async def test_what_had_grown_of_a_failed_or_deleted_clip_plays_for_nobody(world: World) -> None:
    failed, deleted = [await world.processing(request_id=name) for name in ("r1", "r2")]
    for video_id in (failed, deleted):
        await world.probe(video_id, seen=False)
        await world.rooms.media.began_to_grow(video_id, growing_prefix=GROWING)
    await world.rooms.media.media_failed(failed, reason="PROCESSING_FAILED", detail="", redoable=True)
    await world.delete(deleted)
    assert await world.plays(failed, deleted) == [
        pb2.Playback(video_id=failed, refusal=pb2.PLAYBACK_REFUSAL_NOT_READY),
        pb2.Playback(video_id=deleted, refusal=pb2.PLAYBACK_REFUSAL_NOT_FOUND),
    ]
    assert [(one.video_id, one.epoch) for one in (await world.revocations()).revocations] == [(deleted, 2)]
    await world.rooms.media.began_to_grow(failed, growing_prefix="work/1/other/growing/")
    await world.rooms.media.begin_again(failed)
    assert await world.plays(failed) == [pb2.Playback(video_id=failed, refusal=pb2.PLAYBACK_REFUSAL_NOT_READY)]


async def test_a_published_clip_waits_for_its_hashes_before_it_is_public(world: World) -> None:
    video_id = await world.processing()
    await world.publish(video_id)
    await world.probe(video_id, has_audio=False, seen=False)
    await world.playable(video_id, audio_key="")
    await world.work()
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [pb2.PLAYBACK_REFUSAL_NOT_FOUND]
    await world.see(video_id)
    await world.work()
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [0]


@pytest.mark.parametrize(
    ("network", "save_data", "level"),
    [
        (WIFI, False, 1080), (G5, False, 1080), (G4, False, 720), (UNKNOWN, False, 720), (G3, False, 480), (SLOW, False, 360),
        (WIFI, True, 720), (G5, True, 720), (G4, True, 480), (UNKNOWN, True, 480), (G3, True, 360), (SLOW, True, 360),
    ],
)  # fmt: skip
async def test_the_start_level_follows_the_network(world: World, network: int, save_data: bool, level: int) -> None:
    video_id = await world.public()
    await world.rooms.media.became_complete(video_id, renditions=LADDER)
    [play] = await world.plays(video_id, user_id=BOB, network_class=network, save_data=save_data)
    assert (play.start_level, play.start_playlist_path.split("/")[-1]) == (level, f"{level}p.m3u8")
    assert list(play.renditions) == [240, 360, 480, 720, 1080]
    assert play.mp4_path.endswith("/720p.mp4")


async def test_only_levels_that_exist_are_started(world: World) -> None:
    video_id = await world.public()
    for network in (WIFI, SLOW):
        [play] = await world.plays(video_id, user_id=BOB, network_class=network)
        assert (play.start_level, list(play.renditions)) == (720, [720])


async def test_a_clip_with_one_rendition_asks_for_the_rest_when_a_line_wants_another(world: World) -> None:
    video_id = await world.public()
    await world.plays(video_id, user_id=BOB, network_class=SLOW)
    assert world.rooms.jobs.asked_for_rest == [], "the others are still made without being asked for"
    await world.rooms.media.became_complete(video_id, renditions=[RENDITION_720])
    for network in (G4, WIFI, UNKNOWN):
        await world.plays(video_id, user_id=BOB, network_class=network)
    assert world.rooms.jobs.asked_for_rest == [], "its source has no more than that"
    for network in (SLOW, G3):
        await world.plays(video_id, user_id=BOB, network_class=network)
    assert world.rooms.jobs.asked_for_rest == [video_id, video_id]
    await world.rooms.media.became_complete(video_id, renditions=LADDER)
    await world.plays(video_id, user_id=BOB, network_class=SLOW)
    assert world.rooms.jobs.asked_for_rest == [video_id, video_id]


async def test_creators_play_their_own_from_the_first_rendition_on(world: World) -> None:
    video_id = await world.processing()
    assert [play.refusal for play in await world.plays(video_id)] == [pb2.PLAYBACK_REFUSAL_NOT_READY]
    await world.probe(video_id)
    assert [play.refusal for play in await world.plays(video_id)] == [pb2.PLAYBACK_REFUSAL_NOT_READY]
    await world.playable(video_id)
    [play] = await world.plays(video_id)
    assert (play.refusal, play.start_level) == (pb2.PLAYBACK_REFUSAL_UNSPECIFIED, 720)
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [pb2.PLAYBACK_REFUSAL_NOT_FOUND]


async def test_each_id_gets_an_answer_in_the_order_asked(world: World) -> None:
    shown = await world.public(request_id="a")
    hidden = await world.public(request_id="b")
    await hide(world, hidden)
    plays = await world.plays(9, hidden, shown, shown, user_id=BOB)
    assert [(play.video_id, play.refusal) for play in plays] == [(9, 1), (hidden, 3), (shown, 0), (shown, 0)]
    assert all(not play.master_playlist_path for play in plays[:2])
    with pytest.raises(InvalidArgument):
        await world.plays(*range(1, 52))


async def test_viewers_of_a_minute_share_one_path_until_the_epoch_rises(world: World) -> None:
    video_id = await world.public()
    world.clock.advance(60_000 - world.clock.now_ms() % 60_000)
    first = (await world.plays(video_id, user_id=BOB))[0].master_playlist_path
    world.clock.advance(59_999)
    assert (await world.plays(video_id))[0].master_playlist_path == first
    await world.update(video_id, visibility=video_service_pb2.VISIBILITY_ONLY_ME)
    assert (await world.plays(video_id))[0].master_playlist_path != first


async def hide(world: World, video_id: int) -> None:
    await world.update(video_id, visibility=video_service_pb2.VISIBILITY_ONLY_ME)


async def test_revocations_are_listed_in_order_from_any_position(world: World) -> None:
    ids = [await world.public(request_id=f"r{n}") for n in range(3)]
    assert await world.revocations() == pb2.ListRevocationsResponse()
    for video_id in ids:
        await hide(world, video_id)
    everything = await world.revocations()
    assert [(one.video_id, one.epoch) for one in everything.revocations] == [(video_id, 2) for video_id in ids]
    first = await world.revocations(page_size=2)
    rest = await world.revocations(after=first.position)
    assert [*first.revocations, *rest.revocations] == list(everything.revocations)
    last = await world.revocations(after=rest.position)
    assert (list(last.revocations), last.position) == ([], rest.position)


async def test_parallel_revocations_leave_no_gap(world: World) -> None:
    ids = [await world.public(request_id=f"r{n}") for n in range(4)]
    await asyncio.gather(*(hide(world, video_id) for video_id in ids))
    answer = await world.revocations()
    assert sorted(one.video_id for one in answer.revocations) == ids
    assert answer.position == 4


async def test_revocations_are_kept_until_old_grants_are_over(world: World) -> None:
    video_id = await world.public()
    await hide(world, video_id)
    world.clock.advance(600_000 + 60_000)
    assert len((await world.revocations()).revocations) == 1
    world.clock.advance(180_000)
    assert (await world.revocations()).revocations == []
    other = await world.public(request_id="r2")
    await hide(world, other)
    assert [(one.video_id, one.epoch) for one in (await world.revocations(after=1)).revocations] == [(other, 2)]


async def test_a_reader_from_other_tables_gets_everything_again(world: World) -> None:
    video_id = await world.public()
    await hide(world, video_id)
    answer = await world.revocations(after=10_000)
    assert ([one.video_id for one in answer.revocations], answer.position) == ([video_id], 1)


async def test_a_revocation_that_could_not_be_listed_is_listed_after_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = await world.public()

    async def fails(*_: object, **__: object) -> int:
        raise TablesUnavailable("away")

    monkeypatch.setattr("svc_video.playback.store.RevocationStore.append", fails)
    await hide(world, video_id)
    assert await world.seen(video_id, user_id=BOB) == []
    monkeypatch.undo()
    assert (await world.revocations()).revocations == []
    await world.restarted().loops[WorkKind.REVOKE].run_once()
    assert [(one.video_id, one.epoch) for one in (await world.revocations()).revocations] == [(video_id, 2)]
    assert (await world.rows(OpenWork))[OpenWork] == []


async def test_only_the_gateway_reads_revocations(world: World) -> None:
    with pytest.raises(PermissionDenied):
        await world.served.stub(PlaybackServiceStub, caller="feed").ListRevocations(pb2.ListRevocationsRequest())
    answer = await world.served.stub(PlaybackServiceStub, caller="feed").BatchGetPlayback(pb2.BatchGetPlaybackRequest(video_ids=[ALICE]))
    assert [play.refusal for play in answer.playbacks] == [1]
