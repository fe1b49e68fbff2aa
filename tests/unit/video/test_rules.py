"""The rules of videos: moves, derived state, visibility, verdicts, and what follows from a change."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from svc_video.people import Relation
from svc_video.videos.errors import PublicNeedsAge
from svc_video.videos.rules import (
    MEDIA_MOVES,
    POLICY_VIOLATION,
    PUBLICATION_MOVES,
    Act,
    Announcement,
    InvalidMove,
    Verdict,
    VerdictKind,
    after_delete,
    after_verdict,
    after_words,
    announcement,
    check_visibility,
    is_public,
    may_see,
    needs_verdict,
    permitted_acts,
    settled,
    state_of,
    work_after,
)
from svc_video.videos.tables import MediaState, PublicationState, Video, VideoState, Visibility, WorkKind
from svc_video.viewers import Viewer

M, P, V, S = MediaState, PublicationState, Visibility, VideoState
CREATOR, OTHER = 7, 8
MEDIA = [state for state in M if state is not M.UNSPECIFIED]
PUBLICATION = [state for state in P if state is not P.UNSPECIFIED]
VISIBILITY = [visibility for visibility in V if visibility is not V.UNSPECIFIED]


def video(media: MediaState = M.PLAYABLE, publication: PublicationState = P.PUBLISHED, visibility: Visibility = V.PUBLIC) -> Video:
    return Video(
        video_id=1,
        creator_id=CREATOR,
        media_state=media,
        publication_state=publication,
        visibility=visibility,
        probed=media in {M.PLAYABLE, M.COMPLETE},
        publication_version=1,
        verdict_version=1,
        version=5,
    )


def verdict(kind: VerdictKind, *, publication_version: int = 1, version: int = 2) -> Verdict:
    return Verdict(kind=kind, policy="text.blocked_word", publication_version=publication_version, version=version)


ALL = [video(*states) for states in itertools.product(MEDIA, PUBLICATION, VISIBILITY)]


def test_every_state_has_its_moves() -> None:
    assert set(MEDIA_MOVES) == set(MEDIA)
    assert set(PUBLICATION_MOVES) == set(PUBLICATION)
    assert not PUBLICATION_MOVES[P.DELETED]
    assert all(P.DELETED in moves for state, moves in PUBLICATION_MOVES.items() if state is not P.DELETED)


@pytest.mark.parametrize("before", MEDIA)
@pytest.mark.parametrize("after", MEDIA)
def test_media_moves_as_the_table_says_and_no_other_way(before: MediaState, after: MediaState) -> None:
    old, new = video(before), video(after)
    if before is after or after in MEDIA_MOVES[before]:
        assert settled(old, new, now_ms=9).media_state is after
    else:
        with pytest.raises(InvalidMove):
            settled(old, new, now_ms=9)


@pytest.mark.parametrize("before", PUBLICATION)
@pytest.mark.parametrize("after", PUBLICATION)
def test_publication_moves_as_the_table_says_and_no_other_way(before: PublicationState, after: PublicationState) -> None:
    old, new = video(publication=before), video(publication=after)
    if before is after or after in PUBLICATION_MOVES[before]:
        assert settled(old, new, now_ms=9).publication_state is after
    else:
        with pytest.raises(InvalidMove):
            settled(old, new, now_ms=9)


@pytest.mark.parametrize("one", ALL)
def test_public_is_exactly_playing_allowed_and_shown_to_all(one: Video) -> None:
    expected = (
        one.media_state in {M.PLAYABLE, M.COMPLETE} and one.publication_state in {P.PUBLISHED, P.RESTRICTED} and one.visibility is V.PUBLIC
    )
    assert is_public(one) is expected
    shown = one.media_state in {M.PLAYABLE, M.COMPLETE} and one.publication_state in {P.PUBLISHED, P.RESTRICTED}
    audience = {V.PUBLIC: (1, 1, 1), V.FOLLOWERS: (0, 1, 1), V.FRIENDS: (0, 0, 1)}.get(one.visibility, (0, 0, 0))
    relations = (Relation(followed_by=True), Relation(follows=True), Relation(follows=True, followed_by=True))
    for relation, sees in zip(relations, audience, strict=True):
        assert may_see(one, viewer_id=OTHER, relation=relation) is (shown and bool(sees))
        assert not may_see(one, viewer_id=OTHER, relation=replace(relation, parted=True))
    assert may_see(one, viewer_id=OTHER) is expected
    assert may_see(one, viewer_id=0) is expected
    assert may_see(one, viewer_id=CREATOR) is (one.publication_state is not P.DELETED)
    moderated = one.publication_state in {P.IN_REVIEW, P.REJECTED, P.TAKEN_DOWN}
    for parted in (False, True):
        assert may_see(one, viewer_id=OTHER, is_moderator=True, relation=Relation(parted=parted)) is (expected or moderated)


def test_a_video_of_nobody_is_not_everybodys_own() -> None:
    assert not may_see(replace(video(M.PROCESSING, P.DRAFT), creator_id=0), viewer_id=0)


@pytest.mark.parametrize(
    ("media", "publication", "state"),
    [
        (M.UPLOADING, P.DRAFT, S.UPLOADING),
        (M.UPLOADING, P.ASSESSING, S.UPLOADING),
        (M.UPLOADING, P.DELETED, S.DELETED),
        (M.PROCESSING, P.PUBLISHED, S.PROCESSING),
        (M.PROCESSING, P.IN_REVIEW, S.PROCESSING),
        (M.PROCESSING, P.REJECTED, S.REJECTED),
        (M.PLAYABLE, P.DRAFT, S.DRAFT),
        (M.PLAYABLE, P.ASSESSING, S.ASSESSING),
        (M.PLAYABLE, P.IN_REVIEW, S.IN_REVIEW),
        (M.PLAYABLE, P.PUBLISHED, S.READY),
        (M.COMPLETE, P.PUBLISHED, S.READY),
        (M.COMPLETE, P.RESTRICTED, S.RESTRICTED),
        (M.COMPLETE, P.REJECTED, S.REJECTED),
        (M.COMPLETE, P.TAKEN_DOWN, S.TAKEN_DOWN),
        (M.COMPLETE, P.DELETED, S.DELETED),
        (M.FAILED, P.DRAFT, S.FAILED),
        (M.FAILED, P.ASSESSING, S.FAILED),
        (M.FAILED, P.DELETED, S.DELETED),
    ],
)
def test_the_one_word_that_people_are_shown(media: MediaState, publication: PublicationState, state: VideoState) -> None:
    assert state_of(video(media, publication)) is state


@pytest.mark.parametrize("one", ALL)
def test_every_combination_has_a_word(one: Video) -> None:
    assert state_of(one) is not S.UNSPECIFIED


JUDGEMENTS = {
    P.ASSESSING: (P.PUBLISHED, P.RESTRICTED, P.IN_REVIEW, P.REJECTED),
    P.IN_REVIEW: (P.PUBLISHED, P.RESTRICTED, P.IN_REVIEW, P.REJECTED),
    P.PUBLISHED: (P.PUBLISHED, P.RESTRICTED, P.IN_REVIEW, P.TAKEN_DOWN),
    P.RESTRICTED: (P.PUBLISHED, P.RESTRICTED, P.IN_REVIEW, P.TAKEN_DOWN),
    P.TAKEN_DOWN: (P.PUBLISHED, P.RESTRICTED, P.TAKEN_DOWN, P.TAKEN_DOWN),
    P.REJECTED: (P.PUBLISHED, P.RESTRICTED, P.IN_REVIEW, P.REJECTED),
}


@pytest.mark.parametrize("state", JUDGEMENTS)
@pytest.mark.parametrize("kind", [VerdictKind.ALLOW, VerdictKind.LIMIT, VerdictKind.REVIEW, VerdictKind.BLOCK])
def test_each_verdict_leads_to_its_state_by_an_allowed_move(state: PublicationState, kind: VerdictKind) -> None:
    before = video(publication=state)
    after = after_verdict(before, verdict(kind))
    assert after is not None
    assert after.publication_state is JUDGEMENTS[state][kind - 1]
    assert after.verdict_version == 2
    assert settled(before, after, now_ms=9).publication_state is after.publication_state


@pytest.mark.parametrize("one", [video(publication=P.DRAFT), video(publication=P.DELETED), video(M.FAILED, P.ASSESSING)])
def test_no_verdict_moves_what_is_not_to_be_judged(one: Video) -> None:
    assert all(after_verdict(one, verdict(kind)) is None for kind in VerdictKind)


def test_old_unknown_and_foreign_verdicts_change_nothing() -> None:
    one = video(publication=P.ASSESSING)
    assert after_verdict(one, verdict(VerdictKind.ALLOW, version=1)) is None
    assert after_verdict(one, verdict(VerdictKind.UNSPECIFIED)) is None
    assert after_verdict(one, verdict(VerdictKind.ALLOW, publication_version=2)) is None
    assert after_verdict(replace(one, publication_version=2), verdict(VerdictKind.ALLOW)) is None


@pytest.mark.parametrize("state", PUBLICATION)
def test_changed_words_need_a_verdict_of_their_own(state: PublicationState) -> None:
    one = replace(video(publication=state), caption="old", hashtags="a b")
    assert after_words(one, caption="old", hashtags=("a", "b")) is one
    after = after_words(one, caption="new", hashtags=("a", "b"))
    assert after.publication_version == (1 if state is P.DRAFT else 2)
    judged_again = state in {P.ASSESSING, P.IN_REVIEW, P.PUBLISHED, P.RESTRICTED, P.REJECTED}
    assert after.publication_state is (P.ASSESSING if judged_again else state)
    assert not is_public(after)


def test_other_words_end_the_refusal_of_the_old_ones_and_of_nothing_else() -> None:
    refused = replace(video(publication=P.REJECTED), failure_code=POLICY_VIOLATION, failure_detail="why")
    after = after_words(refused, caption="new", hashtags=())
    assert (after.publication_state, after.failure_code, after.failure_detail) == (P.ASSESSING, "", "")
    broken = replace(refused, media_state=M.FAILED, failure_code="NO_VIDEO")
    assert after_words(broken, caption="new", hashtags=()).failure_code == "NO_VIDEO"


@pytest.mark.parametrize(
    ("visibility", "is_under_16", "error"),
    [
        (V.PUBLIC, False, None),
        (V.PUBLIC, True, PublicNeedsAge),
        (V.ONLY_ME, False, None),
        (V.ONLY_ME, True, None),
        (V.FRIENDS, False, None),
        (V.FOLLOWERS, True, None),
    ],
)
def test_what_may_be_chosen_by_whom(visibility: Visibility, is_under_16: bool, error: type[Exception] | None) -> None:
    if error is None:
        check_visibility(visibility, is_under_16=is_under_16)
    else:
        with pytest.raises(error):
            check_visibility(visibility, is_under_16=is_under_16)


def test_the_age_that_nobody_knows_is_the_most_protected() -> None:
    assert Viewer(user_id=7).is_under_16


def test_only_probed_publications_are_brought_to_the_gate() -> None:
    assert needs_verdict(replace(video(M.PROCESSING, P.ASSESSING), probed=True))
    assert not needs_verdict(video(M.PROCESSING, P.ASSESSING))
    assert not needs_verdict(replace(video(M.FAILED, P.ASSESSING), probed=True))
    assert not needs_verdict(video(M.COMPLETE, P.IN_REVIEW))


@pytest.mark.parametrize(
    ("before", "after", "risen"),
    [
        (video(), video(visibility=V.FRIENDS), 1),
        (video(visibility=V.ONLY_ME), video(), 1),
        (video(), video(publication=P.TAKEN_DOWN), 1),
        (video(), video(publication=P.DELETED), 1),
        (video(), video(publication=P.IN_REVIEW), 1),
        (video(publication=P.ASSESSING), video(publication=P.REJECTED), 1),
        (video(), video(publication=P.ASSESSING), 0),
        (video(publication=P.ASSESSING), video(), 0),
        (video(publication=P.ASSESSING), video(publication=P.IN_REVIEW), 0),
        (video(), video(publication=P.RESTRICTED), 0),
        (video(publication=P.TAKEN_DOWN), video(), 0),
        (video(), video(M.COMPLETE), 0),
    ],
)
def test_the_epoch_rises_when_grants_must_end(before: Video, after: Video, risen: int) -> None:
    assert settled(before, after, now_ms=9).epoch == 1 + risen
    assert (WorkKind.REVOKE in work_after(before, settled(before, after, now_ms=9))) is bool(risen)


def test_the_first_publication_is_dated_once() -> None:
    first = settled(video(M.PROCESSING), video(M.PLAYABLE), now_ms=9)
    assert first.published_at_ms == 9
    assert settled(first, replace(first, publication_state=P.RESTRICTED), now_ms=10).published_at_ms == 9
    assert settled(video(M.PROCESSING), video(visibility=V.ONLY_ME), now_ms=9).published_at_ms == 0


@pytest.mark.parametrize("before", ALL)
def test_others_hear_of_public_videos_only(before: Video) -> None:
    for after in (video(), video(publication=P.TAKEN_DOWN), after_delete(before), replace(before, category=3), replace(before, epoch=9)):
        told = announcement(before, after)
        match is_public(before), is_public(after):
            case False, False:
                assert told is Announcement.NONE
            case False, True:
                assert told is Announcement.PUBLISHED
            case True, False:
                assert told is Announcement.WITHDRAWN
            case _:
                assert told is (Announcement.NONE if replace(after, epoch=1) == before else Announcement.CHANGED)


def test_work_is_opened_once() -> None:
    waiting = replace(video(M.PROCESSING, P.ASSESSING), probed=False)
    probed = replace(waiting, probed=True, has_audio=True)
    assert work_after(waiting, probed) == {WorkKind.ASSESS}
    assert work_after(probed, replace(probed, category=2)) == frozenset()
    assert work_after(probed, replace(probed, publication_version=2)) == {WorkKind.ASSESS}
    public = replace(video(), has_audio=True)
    assert work_after(video(publication=P.ASSESSING), public) == {WorkKind.SOUND}
    assert work_after(video(publication=P.ASSESSING), replace(public, sound_id=3)) == frozenset()
    assert work_after(video(M.PROCESSING), video(M.FAILED)) == {WorkKind.PURGE}
    assert work_after(video(M.FAILED), video(M.FAILED, P.DELETED)) == {WorkKind.PURGE}


@pytest.mark.parametrize(
    ("one", "viewer_id", "acts"),
    [
        (video(), OTHER, (Act.VIEW, Act.COMMENT, Act.ENGAGE)),
        (replace(video(), allow_comments=False), OTHER, (Act.VIEW, Act.ENGAGE)),
        (video(), 0, (Act.VIEW,)),
        (video(publication=P.DRAFT), CREATOR, (Act.VIEW,)),
        (video(M.PROCESSING), CREATOR, (Act.VIEW,)),
        (video(visibility=V.ONLY_ME), CREATOR, (Act.VIEW, Act.COMMENT, Act.ENGAGE)),
        (video(visibility=V.ONLY_ME), OTHER, ()),
        (video(publication=P.DELETED), CREATOR, ()),
    ],
)
def test_permitted_acts(one: Video, viewer_id: int, acts: tuple[Act, ...]) -> None:
    assert permitted_acts(one, viewer_id=viewer_id) == acts
