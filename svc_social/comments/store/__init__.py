"""Typed repositories of comments: the only ones who read and write their rows."""

from svc_social.comments.store.choices import ChoiceStore
from svc_social.comments.store.gone import GoneStore
from svc_social.comments.store.likes import LikeStore
from svc_social.comments.store.lists import IdPage, ListStore, Place, places
from svc_social.comments.store.ranks import RankStore
from svc_social.comments.store.threads import Changed, ThreadStore
from svc_social.comments.tables import (
    Comment,
    CommentFilter,
    CommentLike,
    CommentPlace,
    CountedCommentLike,
    DeletedVideo,
    HeldComment,
    PinnedComment,
    RankedThread,
    ThreadMonth,
    ThreadRank,
    VideoRoot,
    VideoThread,
)

ROW_TYPES: tuple[type, ...] = (
    Comment,
    CommentFilter,
    CommentLike,
    CommentPlace,
    CountedCommentLike,
    DeletedVideo,
    HeldComment,
    PinnedComment,
    RankedThread,
    ThreadMonth,
    ThreadRank,
    VideoRoot,
    VideoThread,
)

__all__ = [
    "ROW_TYPES",
    "Changed",
    "ChoiceStore",
    "GoneStore",
    "IdPage",
    "LikeStore",
    "ListStore",
    "Place",
    "RankStore",
    "ThreadStore",
    "places",
]
