"""What people can do with comments and ask of them: the door of this area."""

from svc_social.comments.actions.asked import Actor, Asked
from svc_social.comments.actions.clearing import DUE_AFTER_MS, Clearing
from svc_social.comments.actions.filtering import Filtering, Filters
from svc_social.comments.actions.liking import Liked, Liking
from svc_social.comments.actions.moderating import Moderating
from svc_social.comments.actions.reading import START, Page, Reading, Wanted
from svc_social.comments.actions.showing import Showing, Shown
from svc_social.comments.actions.telling import Telling
from svc_social.comments.actions.writing import Writing

__all__ = [
    "DUE_AFTER_MS",
    "START",
    "Actor",
    "Asked",
    "Clearing",
    "Filtering",
    "Filters",
    "Liked",
    "Liking",
    "Moderating",
    "Page",
    "Reading",
    "Showing",
    "Shown",
    "Telling",
    "Wanted",
    "Writing",
]
