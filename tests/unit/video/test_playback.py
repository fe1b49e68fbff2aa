"""The rules of playback: every state and viewer has its answer, and every network its level."""

from __future__ import annotations

import itertools

import pytest

from svc_video.playback.rules import Network, Refusal, lacks_level, may_watch_growing, refusal_of, start_rendition
from svc_video.videos.tables import MediaState, PublicationState, RenditionFacts, Video, Visibility
from svc_video.viewers import Viewer

M, P, V, R = MediaState, PublicationState, Visibility, Refusal
OWN, OTHER, NOBODY, MODERATOR = Viewer(user_id=7), Viewer(user_id=8), Viewer(), Viewer(user_id=9, is_moderator=True)


def video(
    media: MediaState = M.PLAYABLE,
    publication: PublicationState = P.PUBLISHED,
    visibility: Visibility = V.PUBLIC,
    *,
    published_at_ms: int = 0,
) -> Video:
    return Video(
        video_id=1, creator_id=7, media_state=media, publication_state=publication, visibility=visibility, published_at_ms=published_at_ms
    )


@pytest.mark.parametrize(
    ("one", "own", "other", "moderator"),
    [
        (None, R.NOT_FOUND, R.NOT_FOUND, R.NOT_FOUND),
        (video(publication=P.DELETED), R.NOT_FOUND, R.NOT_FOUND, R.NOT_FOUND),
        (video(), R.NONE, R.NONE, R.NONE),
        (video(M.COMPLETE, P.RESTRICTED), R.NONE, R.NONE, R.NONE),
        (video(M.UPLOADING, P.DRAFT), R.NOT_READY, R.NOT_FOUND, R.NOT_FOUND),
        (video(M.PROCESSING), R.NOT_READY, R.NOT_FOUND, R.NOT_FOUND),
        (video(M.FAILED), R.NOT_READY, R.NOT_FOUND, R.NOT_FOUND),
        (video(publication=P.DRAFT), R.NONE, R.NOT_FOUND, R.NOT_FOUND),
        (video(publication=P.ASSESSING), R.NONE, R.NOT_FOUND, R.NOT_FOUND),
        (video(publication=P.ASSESSING, published_at_ms=5), R.NONE, R.NOT_READY, R.NOT_READY),
        (video(publication=P.IN_REVIEW), R.NONE, R.NOT_FOUND, R.NONE),
        (video(publication=P.REJECTED), R.NONE, R.NOT_FOUND, R.NONE),
        (video(publication=P.REJECTED, published_at_ms=5), R.NONE, R.NOT_FOUND, R.NONE),
        (video(M.PROCESSING, P.REJECTED), R.NOT_READY, R.NOT_FOUND, R.NOT_READY),
        (video(publication=P.TAKEN_DOWN, published_at_ms=5), R.TAKEN_DOWN, R.TAKEN_DOWN, R.NONE),
        (video(publication=P.TAKEN_DOWN), R.TAKEN_DOWN, R.NOT_FOUND, R.NONE),
        (video(visibility=V.ONLY_ME), R.NONE, R.NOT_FOUND, R.NOT_FOUND),
        (video(visibility=V.FRIENDS, published_at_ms=5), R.NONE, R.PRIVATE, R.PRIVATE),
        (video(visibility=V.FOLLOWERS, published_at_ms=5), R.NONE, R.PRIVATE, R.PRIVATE),
        (video(visibility=V.ONLY_ME, published_at_ms=5), R.NONE, R.PRIVATE, R.PRIVATE),
        (video(publication=P.DRAFT, visibility=V.ONLY_ME), R.NONE, R.NOT_FOUND, R.NOT_FOUND),
    ],
)
def test_each_viewer_gets_the_right_answer(one: Video | None, own: Refusal, other: Refusal, moderator: Refusal) -> None:
    assert [refusal_of(one, viewer) for viewer in (OWN, OTHER, NOBODY, MODERATOR)] == [own, other, other, moderator]


@pytest.mark.parametrize("states", list(itertools.product(M, P, V)))
def test_what_grows_is_watched_by_its_creator_alone_while_it_is_made_and_not_refused(
    states: tuple[MediaState, PublicationState, Visibility],
) -> None:
    one = video(*states)
    grows = states[0] is M.PROCESSING and states[1] not in {P.REJECTED, P.TAKEN_DOWN, P.DELETED}
    assert [may_watch_growing(one, viewer) for viewer in (OWN, OTHER, NOBODY, MODERATOR)] == [grows, False, False, False]
    # It never comes beside anything but the refusal that says so.
    assert not grows or refusal_of(one, OWN) is R.NOT_READY


@pytest.mark.parametrize("states", list(itertools.product(M, P, V)))
def test_strangers_play_public_videos_only(states: tuple[MediaState, PublicationState, Visibility]) -> None:
    public = states[0] in {M.PLAYABLE, M.COMPLETE} and states[1] in {P.PUBLISHED, P.RESTRICTED} and states[2] is V.PUBLIC
    assert (refusal_of(video(*states), OTHER) is R.NONE) is public


def rendition(level: int, name: str = "") -> RenditionFacts:
    return RenditionFacts(name=name or f"{level}p", width=level, height=level * 2)


@pytest.mark.parametrize(
    ("levels", "network", "save_data", "level"),
    [
        ((720, 480), Network.WIFI, False, 720),
        ((720, 1080), Network.SLOW, False, 720),
        ((720, 1080, 480, 360, 240), Network.SLOW, True, 360),
        ((720, 240), Network.G3, False, 240),
        ((600,), Network.G5, False, 600),
        ((600, 480), Network.UNSPECIFIED, False, 600),
        ((600, 480), Network.UNSPECIFIED, True, 480),
    ],
)
def test_the_best_existing_level_that_the_network_carries(levels: tuple[int, ...], network: Network, save_data: bool, level: int) -> None:
    assert start_rendition([rendition(one) for one in levels], network=network, save_data=save_data).level == level


def test_landscape_counts_its_short_side() -> None:
    wide = RenditionFacts(name="720p", width=1280, height=720)
    assert (wide.level, start_rendition([wide], network=Network.G4, save_data=False)) == (720, wide)


@pytest.mark.parametrize(
    ("short_side", "level", "lacking"),
    [
        (1080, 720, {Network.SLOW, Network.G3, Network.G5, Network.WIFI}),
        (720, 720, {Network.SLOW, Network.G3}),
        (480, 480, {Network.SLOW}),
        (240, 240, set()),
    ],
)
def test_the_rest_is_asked_for_by_lines_that_would_start_with_it(short_side: int, level: int, lacking: set[Network]) -> None:
    clip = Video(video_id=1, media_state=M.COMPLETE, width=short_side, height=short_side * 2)
    only = [RenditionFacts(name="one", width=level, height=level * 2)]
    assert {network for network in Network if lacks_level(clip, only, network=network, save_data=False)} == lacking
    for media in set(M) - {M.COMPLETE}:
        under_way = Video(video_id=1, media_state=media, width=short_side, height=short_side * 2)
        assert not lacks_level(under_way, only, network=Network.SLOW, save_data=False)
    assert not lacks_level(clip, [*only, *only], network=Network.SLOW, save_data=False)
