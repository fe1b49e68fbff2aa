"""Pure decisions about videos: which moves the two state machines allow, what people are shown, and what follows from a change.

Media goes UPLOADING -> PROCESSING -> PLAYABLE -> COMPLETE, or FAILED before it plays, from where an operator may send it back to PROCESSING while
its bytes are kept; a clip whose further renditions cannot be made is complete with those it has. Publication is judged as a whole: a changed
caption or hashtag sends a judged video back to ASSESSING, and it is not public until the gate has answered for the new words, so that nothing is
ever public without a verdict on exactly what is shown.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from svc_video.people import STRANGER, Relation
from svc_video.videos.errors import PublicNeedsAge
from svc_video.videos.tables import MediaState, PublicationState, Video, VideoState, Visibility, WorkKind
from svc_video.viewers import Viewer

_M, _P = MediaState, PublicationState

MEDIA_MOVES: dict[MediaState, frozenset[MediaState]] = {
    _M.UPLOADING: frozenset({_M.PROCESSING, _M.FAILED}),
    _M.PROCESSING: frozenset({_M.PLAYABLE, _M.FAILED}),
    _M.PLAYABLE: frozenset({_M.COMPLETE}),
    _M.COMPLETE: frozenset(),
    _M.FAILED: frozenset({_M.PROCESSING}),
}
PUBLICATION_MOVES: dict[PublicationState, frozenset[PublicationState]] = {
    _P.DRAFT: frozenset({_P.ASSESSING, _P.DELETED}),
    _P.ASSESSING: frozenset({_P.IN_REVIEW, _P.PUBLISHED, _P.RESTRICTED, _P.REJECTED, _P.DELETED}),
    _P.IN_REVIEW: frozenset({_P.ASSESSING, _P.PUBLISHED, _P.RESTRICTED, _P.REJECTED, _P.DELETED}),
    _P.PUBLISHED: frozenset({_P.ASSESSING, _P.IN_REVIEW, _P.RESTRICTED, _P.TAKEN_DOWN, _P.DELETED}),
    _P.RESTRICTED: frozenset({_P.ASSESSING, _P.IN_REVIEW, _P.PUBLISHED, _P.TAKEN_DOWN, _P.DELETED}),
    _P.TAKEN_DOWN: frozenset({_P.ASSESSING, _P.PUBLISHED, _P.RESTRICTED, _P.DELETED}),
    _P.REJECTED: frozenset({_P.ASSESSING, _P.IN_REVIEW, _P.PUBLISHED, _P.RESTRICTED, _P.DELETED}),
    _P.DELETED: frozenset(),
}
_ALLOWED = frozenset({_P.PUBLISHED, _P.RESTRICTED})
_JUDGED = frozenset({_P.ASSESSING, _P.IN_REVIEW, _P.PUBLISHED, _P.RESTRICTED, _P.REJECTED})
_REFUSED = frozenset({_P.REJECTED, _P.TAKEN_DOWN, _P.DELETED})
_MODERATED = frozenset({_P.IN_REVIEW, _P.REJECTED, _P.TAKEN_DOWN})

POLICY_VIOLATION = "POLICY_VIOLATION"


class InvalidMove(Exception):
    """A change asked for a move that a state machine does not have: a bug of the caller."""


class Announcement(enum.Enum):
    """What a change of a video means to the other services."""

    NONE = "none"
    PUBLISHED = "published"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"


class VerdictKind(enum.IntEnum):
    """What the gate says; the numbers are those of the proto of rights."""

    UNSPECIFIED = 0
    ALLOW = 1
    LIMIT = 2
    REVIEW = 3
    BLOCK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate said about one publication of a video."""

    kind: VerdictKind
    policy: str
    publication_version: int
    version: int


def plays(video: Video) -> bool:
    """True from the first rendition on."""
    return video.media_state in {_M.PLAYABLE, _M.COMPLETE}


def is_public(video: Video) -> bool:
    """Anybody may see and play it: it plays, the gate allowed it, and its creator shows it to everyone."""
    return is_shown_to(video, STRANGER)


def is_shown_to(video: Video, relation: Relation) -> bool:
    """The gate allowed it, it plays, and its creator shows it to people who stand to them like this."""
    if relation.parted or not plays(video) or video.publication_state not in _ALLOWED:
        return False
    match video.visibility:
        case Visibility.PUBLIC:
            return True
        case Visibility.FOLLOWERS:
            return relation.follows
        case Visibility.FRIENDS:
            return relation.friends
        case _:
            return False


def is_recommendable(video: Video) -> bool:
    """Public and without a limit of the gate."""
    return is_public(video) and video.publication_state is _P.PUBLISHED


def may_see(video: Video, *, viewer_id: int, is_moderator: bool = False, relation: Relation = STRANGER) -> bool:
    """Whether a viewer may know of a video; `relation` is the viewer's to its creator.

    Whom a block parts from the creator sees nothing. Moderators also see what waits for them or was refused, whatever its visibility and whoever
    blocks them; a deleted video is seen by nobody.
    """
    if video.publication_state is _P.DELETED:
        return False
    if viewer_id and viewer_id == video.creator_id:
        return True
    if is_moderator and video.publication_state in _MODERATED:
        return True
    return is_shown_to(video, replace(relation, parted=relation.parted and not is_moderator))


def visible(viewer: Viewer, videos: Iterable[Video], relations: Mapping[int, Relation]) -> list[Video]:
    """Those that a viewer may know of; `relations` are the viewer's by creator, whoever is not among them is a stranger."""
    return [
        video
        for video in videos
        if may_see(
            video,
            viewer_id=viewer.user_id,
            is_moderator=viewer.is_moderator,
            relation=relations.get(video.creator_id, STRANGER),
        )
    ]


def check_visibility(visibility: Visibility, *, is_under_16: bool) -> None:
    """Raises PublicNeedsAge for a public video of a person whose account would be private by default."""
    if visibility is Visibility.PUBLIC and is_under_16:
        raise PublicNeedsAge(visibility=visibility.name)


def state_of(video: Video) -> VideoState:
    """The one word shown to people."""
    if video.publication_state is _P.DELETED:
        return VideoState.DELETED
    if video.media_state is _M.FAILED:
        return VideoState.FAILED
    if video.publication_state in {_P.TAKEN_DOWN, _P.REJECTED}:
        return VideoState[video.publication_state.name]
    if not plays(video):
        return VideoState[video.media_state.name]
    return VideoState.READY if video.publication_state is _P.PUBLISHED else VideoState[video.publication_state.name]


class Act(enum.Enum):
    """What a permit may allow."""

    VIEW = "view"
    COMMENT = "comment"
    ENGAGE = "engage"


def permitted_acts(video: Video, *, viewer_id: int, is_moderator: bool = False, relation: Relation = STRANGER) -> tuple[Act, ...]:
    """What a viewer may do with a video; nothing when it may not be seen. Acts that leave a trace need a signed-in viewer and a video that the
    gate allowed; nobody comments where its creator switched comments off, the creator neither."""
    if not may_see(video, viewer_id=viewer_id, is_moderator=is_moderator, relation=relation):
        return ()
    if relation.parted or not viewer_id or not plays(video) or video.publication_state not in _ALLOWED:
        return (Act.VIEW,)
    return (Act.VIEW, Act.COMMENT, Act.ENGAGE) if video.allow_comments else (Act.VIEW, Act.ENGAGE)


def after_delete(video: Video) -> Video:
    """The video after its creator deleted it: a tombstone without words. What was wrong with its bytes stays known to the session that sent them."""
    return replace(video, publication_state=_P.DELETED, caption="", hashtags="", language="", failure_detail="")


def needs_verdict(video: Video) -> bool:
    """The gate can be asked: the creator published, and hashes and findings are known. Encoding need not be over."""
    return video.publication_state is _P.ASSESSING and video.probed and not video.unseen and not video.is_over


def after_words(video: Video, *, caption: str, hashtags: tuple[str, ...]) -> Video:
    """The video with other words. Words that differ make a new publication, which needs a verdict of its own; what was taken down stays down
    whatever the words."""
    tags = " ".join(hashtags)
    if (caption, tags) == (video.caption, video.hashtags):
        return video
    worded = replace(video, caption=caption, hashtags=tags)
    if video.publication_state is _P.DRAFT:
        return worded
    worded = replace(worded, publication_version=video.publication_version + 1)
    if video.publication_state not in _JUDGED:
        return worded
    refused = video.publication_state is _P.REJECTED and video.failure_code == POLICY_VIOLATION
    judged = replace(worded, failure_code="", failure_detail="") if refused else worded
    return replace(judged, publication_state=_P.ASSESSING)


def after_verdict(video: Video, verdict: Verdict) -> Video | None:
    """The video under a verdict; None when the verdict changes nothing: known already, or about another publication."""
    if video.is_over or video.publication_state is _P.DRAFT or verdict.kind is VerdictKind.UNSPECIFIED:
        return None
    if verdict.version <= video.verdict_version:
        return None
    known = replace(video, verdict_version=verdict.version)
    if verdict.publication_version != video.publication_version:
        # Words changed while the video was refused: what was lifted is not what would be shown now.
        lifted = verdict.kind in {VerdictKind.ALLOW, VerdictKind.LIMIT} and verdict.publication_version < video.publication_version
        if lifted and video.publication_state in {_P.REJECTED, _P.TAKEN_DOWN}:
            return replace(
                known, publication_state=_P.ASSESSING, publication_version=video.publication_version + 1, failure_code="", failure_detail=""
            )
        return None
    target = _target(video.publication_state, verdict.kind)
    if target is None:
        return known
    rejected = target is _P.REJECTED
    return replace(
        known,
        publication_state=target,
        failure_code=POLICY_VIOLATION if rejected else "",
        failure_detail=f"The publication breaks the rule {verdict.policy}."[:300] if rejected else "",
    )


def _target(state: PublicationState, kind: VerdictKind) -> PublicationState | None:
    match kind:
        case VerdictKind.ALLOW:
            return _P.PUBLISHED
        case VerdictKind.LIMIT:
            return _P.RESTRICTED
        case VerdictKind.REVIEW:
            return None if state is _P.TAKEN_DOWN else _P.IN_REVIEW
        case VerdictKind.BLOCK:
            return _P.TAKEN_DOWN if state in {_P.PUBLISHED, _P.RESTRICTED, _P.TAKEN_DOWN} else _P.REJECTED
        case VerdictKind.UNSPECIFIED:
            return None


def settled(before: Video, after: Video, *, now_ms: int) -> Video:
    """`after` with what every change brings along: the epoch and the moment of first publication. Raises InvalidMove."""
    if after.media_state is not before.media_state and after.media_state not in MEDIA_MOVES[before.media_state]:
        raise InvalidMove(f"media {before.media_state.name} -> {after.media_state.name}")
    moved = after.publication_state is not before.publication_state
    if moved and after.publication_state not in PUBLICATION_MOVES[before.publication_state]:
        raise InvalidMove(f"publication {before.publication_state.name} -> {after.publication_state.name}")
    sent_to_review = after.publication_state is _P.IN_REVIEW and before.publication_state in _ALLOWED
    refused = moved and after.publication_state in _REFUSED
    epoch = before.epoch + (refused or sent_to_review or after.visibility is not before.visibility)
    first = is_public(after) and not after.published_at_ms
    return replace(after, epoch=epoch, published_at_ms=now_ms if first else after.published_at_ms)


def announcement(before: Video, after: Video) -> Announcement:
    """What a change means to readers of events: they only ever hear of public videos."""
    match is_public(before), is_public(after):
        case False, True:
            return Announcement.PUBLISHED
        case True, False:
            return Announcement.WITHDRAWN
        case True, True:
            return Announcement.NONE if _told(before) == _told(after) else Announcement.CHANGED
        case _:
            return Announcement.NONE


def is_deletion(before: Video, after: Video) -> bool:
    """What others may have said or done about it is about nothing from now on; of a draft nobody but its creator ever knew."""
    return after.publication_state is _P.DELETED and before.publication_state not in {_P.DRAFT, _P.DELETED}


def _told(video: Video) -> Video:
    return replace(video, version=0, epoch=0, verdict_version=0, publication_version=0, applied_edits="", sound_asked=False)


def work_after(before: Video, after: Video) -> frozenset[WorkKind]:
    """What remains to be done once a change is written."""
    work: set[WorkKind] = set()
    if needs_verdict(after) and (not needs_verdict(before) or before.publication_version != after.publication_version):
        work.add(WorkKind.ASSESS)
    if before.epoch != after.epoch:
        work.add(WorkKind.REVOKE)
    # A sound can be found by anybody, so it is made of public videos only.
    if is_public(after) and not is_public(before) and after.has_audio and not after.sound_id:
        work.add(WorkKind.SOUND)
    deleted = after.publication_state is _P.DELETED and before.publication_state is not _P.DELETED
    failed = after.media_state is _M.FAILED and before.media_state is not _M.FAILED
    if deleted or failed:
        work.add(WorkKind.PURGE)
    if deleted and after.sound_asked and not after.sound_id:
        work.add(WorkKind.SOUND)
    return frozenset(work)
