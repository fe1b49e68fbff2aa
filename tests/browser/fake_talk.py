"""What the fake gateway knows of comments and inboxes, the fields that tell and change them, and what can be followed live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError

KINDS = (
    "FOLLOW",
    "FOLLOW_REQUEST",
    "FOLLOW_APPROVED",
    "LIKE",
    "REPOST",
    "SHARE",
    "COMMENT",
    "REPLY",
    "MENTION",
    "COMMENT_LIKE",
    "VIDEO_READY",
    "VIDEO_FAILED",
    "VIDEO_PUBLISHED",
    "VERDICT",
    "SECURITY",
    "TRENDING",
    "LIVE",
)


def moment() -> str:
    """Now, as a DateTime of the schema."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Talk:
    """Comments by id, and the inbox of the one viewer of a test."""

    comments: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Earlier texts by comment, newest first."""
    by_request: dict[str, str] = field(default_factory=dict)
    holds: bool = False
    """Whether new comments wait for approval."""
    filters: dict[str, Any] = field(default_factory=lambda: {"words": [], "holdLinks": False, "holdAll": False})
    inbox: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Oldest change first."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """What the subscription told, by cursor."""
    bad_cursors: set[str] = field(default_factory=set)
    asked_after: list[str | None] = field(default_factory=list)
    """Cursors that subscriptions began with."""
    settings: dict[str, Any] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Wake everybody who listens."""
        self.moved.set()
        self.moved = asyncio.Event()

    def comment(self, author: dict[str, Any] | None, video_id: str, text: str, **changes: Any) -> dict[str, Any]:
        """Somebody said something; `answers` names what it answers."""
        comment_id = str(8000 + len(self.comments))
        answers = self.comments.get(changes.pop("answers", None) or "")
        made = {
            "id": comment_id,
            "videoId": video_id,
            "threadId": answers["threadId"] if answers else comment_id,
            "parentId": answers["id"] if answers else None,
            "answersId": answers["id"] if answers else None,
            "text": text,
            "language": None,
            "state": "PUBLISHED",
            "postedAt": moment(),
            "editedAt": None,
            "revision": "1",
            "author": author,
            "authorId": author["id"] if author else None,
            "mentions": [],
            "likeCount": "0",
            "liked": False,
            "pinned": False,
            "level": answers["level"] + 1 if answers else 1,
            **changes,
        }
        made["totalChildren"] = lambda info: str(len(self.children(comment_id)))
        self.comments[comment_id] = made
        self.wake()
        return made

    def stands(self, comment: dict[str, Any]) -> bool:
        """Whether it is listed: what was removed only while something stands below it."""
        return comment["state"] == "PUBLISHED" or (comment["state"] == "REMOVED" and bool(self.children(comment["id"])))

    def children(self, id: str) -> list[dict[str, Any]]:
        """Replies, oldest first."""
        return [one for one in self.comments.values() if one["parentId"] == id and self.stands(one)]

    def count(self, video_id: str) -> str:
        """How many others see."""
        return str(sum(one["videoId"] == video_id and one["state"] == "PUBLISHED" for one in self.comments.values()))

    def shaped(self, comment: dict[str, Any], levels: int, children: int) -> dict[str, Any]:
        """A comment with so many levels, itself one of them."""
        below = self.children(comment["id"])
        shown = below[:children] if levels > 1 else []
        edges = [{"cursor": f"r-{one['id']}", "node": self.shaped(one, levels - 1, children)} for one in shown]
        return {**comment, "children": edges, "childrenCursor": edges[-1]["cursor"] if edges and len(below) > len(edges) else None}

    def page(
        self, found: list[dict[str, Any]], first: int, after: str | None, levels: int = 1, children: int = 3, mark: str = "c"
    ) -> dict[str, Any]:
        """A connection of comments."""
        start = next((at + 1 for at, one in enumerate(found) if f"{mark}-{one['id']}" == after), 0)
        edges = [{"cursor": f"{mark}-{one['id']}", "node": self.shaped(one, levels, children)} for one in found[start : start + first]]
        end = edges[-1]["cursor"] if edges else None
        return {"edges": edges, "pageInfo": {"hasNextPage": len(found) > start + first, "hasPreviousPage": False, "endCursor": end}}

    def notify(self, kind: str, *, id: str = "", **changes: Any) -> dict[str, Any]:
        """Something happened, or a notification grew."""
        made_id = id or str(9000 + len(self.inbox))
        made = {
            "id": made_id,
            "kind": kind,
            "unread": True,
            "updatedAt": moment(),
            "count": 1,
            "detail": None,
            "videoId": None,
            "commentId": None,
        }
        made |= {"actors": [], "video": None, **changes}
        self.inbox.pop(made_id, None)
        self.inbox[made_id] = made
        self._change(notification=made)
        return made

    def withdraw(self, id: str) -> None:
        """A like was taken back, or the like."""
        del self.inbox[id]
        self._change(removedId=id)

    def read(self, ids: set[str]) -> None:
        """Mark as read, here or on another device."""
        for one in ids & set(self.inbox):
            self.inbox[one]["unread"] = False
        self._change()

    def unread(self) -> int:
        """The badge."""
        return sum(one["unread"] for one in self.inbox.values())

    def _change(self, **what: Any) -> None:
        self.changes.append({"notification": None, "removedId": None, **what, "ended": None})
        self.wake()

    async def follow(self, after: str | None) -> AsyncIterator[dict[str, Any]]:
        """Changes after a cursor, each with the count and its cursor; without one the count first."""
        self.asked_after.append(after)
        if after is not None and (after in self.bad_cursors or not after.isdigit()):
            raise GraphQLError("no such cursor", extensions={"code": "BAD_CURSOR"})
        at = len(self.changes) if after is None else int(after)
        if after is None:
            yield {
                "notifications": {
                    "notification": None,
                    "removedId": None,
                    "unreadCount": str(self.unread()),
                    "cursor": str(at),
                    "ended": None,
                }
            }
        while True:
            moved = self.moved
            for change in self.changes[at:]:
                at += 1
                yield {"notifications": {**change, "unreadCount": str(self.unread()), "cursor": str(at)}}
            await moved.wait()


@dataclass(slots=True)
class TalkFields:
    """Fields of Query and Mutation about comments and the inbox, of one operation of one viewer."""

    talk: Talk
    person: dict[str, Any] | None

    def heldComments(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        return self.talk.page([one for one in self.talk.comments.values() if one["state"] == "HELD"], first, after)

    def commentFilters(self, info: Any) -> dict[str, Any]:  # noqa: N802
        return self.talk.filters

    def commentRevisions(self, info: Any, commentId: str, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802,N803
        start = int(after or 0)
        found = self.talk.revisions.get(commentId, [])
        edges = [{"cursor": str(start + at + 1), "node": one} for at, one in enumerate(found[start : start + first])]
        end = edges[-1]["cursor"] if edges else None
        return {"edges": edges, "pageInfo": {"hasNextPage": len(found) > start + first, "hasPreviousPage": False, "endCursor": end}}

    def updateCommentFilters(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.talk.filters = {name: input[name] for name in ("words", "holdLinks", "holdAll")}
        return {"filters": self.talk.filters, "userErrors": []}

    def postComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        known = self.talk.by_request.get(input["requestId"])
        if known is None:
            state = "HELD" if self.talk.holds else "PUBLISHED"
            made = self.talk.comment(self.person, input["videoId"], input["text"], answers=input.get("answersId"), state=state)
            known = self.talk.by_request[input["requestId"]] = made["id"]
        return {"comment": self.talk.comments[known], "userErrors": []}

    def _changed(self, input: dict[str, Any], **changes: Any) -> dict[str, Any]:
        comment = self.talk.comments[input["commentId"]]
        comment.update(changes)
        self.talk.wake()
        return {"comment": comment, "deletedCommentId": comment["id"], "userErrors": []}

    def editComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        comment = self.talk.comments[input["commentId"]]
        earlier = self.talk.revisions.setdefault(comment["id"], [])
        earlier.insert(0, {"revision": str(len(earlier)), "text": comment["text"], "writtenAt": comment["editedAt"] or comment["postedAt"]})
        return self._changed(input, text=input["text"], editedAt=moment())

    def deleteComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._changed(input, text="", state="REMOVED", author=None, authorId=None)

    def hideComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._changed(input, state="HIDDEN")

    def approveComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._changed(input, state="PUBLISHED")

    def pinComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for one in self.talk.comments.values():
            one["pinned"] = False
        return self._changed(input, pinned=True)

    def unpinComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._changed(input, pinned=False)

    def _liked(self, input: dict[str, Any], *, liked: bool) -> dict[str, Any]:
        comment = self.talk.comments[input["commentId"]]
        comment["likeCount"] = str(int(comment["likeCount"]) + liked - comment["liked"])
        comment["liked"] = liked
        return {"commentId": comment["id"], "liked": liked, "likeCount": comment["likeCount"], "userErrors": []}

    def likeComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._liked(input, liked=True)

    def unlikeComment(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._liked(input, liked=False)

    def notifications(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:
        found = list(reversed(self.talk.inbox.values()))
        start = next((at + 1 for at, one in enumerate(found) if f"n-{one['id']}" == after), 0)
        edges = [{"cursor": f"n-{one['id']}", "node": dict(one)} for one in found[start : start + first]]
        info_ = {"hasNextPage": len(found) > start + first, "hasPreviousPage": False, "endCursor": edges[-1]["cursor"] if edges else None}
        return {"edges": edges, "pageInfo": info_, "unreadCount": str(self.talk.unread()), "changesCursor": str(len(self.talk.changes))}

    def markNotificationsRead(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        ids = input.get("ids")
        self.talk.read(set(self.talk.inbox) if ids is None else set(ids))
        return {"unreadCount": str(self.talk.unread()), "userErrors": []}

    def notificationSettings(self, info: Any) -> dict[str, Any]:  # noqa: N802
        chosen = self.talk.settings.get("preferences", {})
        usual = {"inApp": True, "push": True, "mail": False}
        preferences = [{"kind": kind, **usual, **chosen.get(kind, {})} for kind in KINDS]
        return {"preferences": preferences, "quietHours": self.talk.settings.get("quietHours")}

    def updateNotificationSettings(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        kept = self.talk.settings.setdefault("preferences", {})
        kept.update({one["kind"]: one for one in input.get("preferences") or ()})
        if hours := input.get("quietHours"):
            self.talk.settings["quietHours"] = hours if hours["enabled"] else None
        return {"settings": self.notificationSettings(info), "userErrors": []}
