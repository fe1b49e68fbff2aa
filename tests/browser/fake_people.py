"""What the fake gateway knows of people beside their profiles: follows, blocks, lists, sessions, privacy; and the fields that tell and change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

if TYPE_CHECKING:
    from tests.browser.fake_world import World

FACES = "faces"
"""Where pictures of people lie."""
MAILED = "s3cr3t-of-a-mailed-link"
"""The secret that mailed links of these tests have."""


@dataclass(slots=True)
class Crowd:
    """What stands between people, and what they keep; by their handles."""

    follows: dict[tuple[str, str], str] = field(default_factory=dict)
    """Who follows whom -> REQUESTED or FOLLOWING."""
    blocks: set[tuple[str, str]] = field(default_factory=set)
    mutes: set[tuple[str, str]] = field(default_factory=set)
    collections: dict[str, str] = field(default_factory=dict)
    """Id -> name."""
    kept_in: dict[str, str | None] = field(default_factory=dict)
    """Saved video -> collection."""
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    """Request id -> what it answered, for calls that count once."""

    def follow(self, follower: str, followed: str, state: str = "FOLLOWING") -> None:
        """Make an edge; NONE takes it away."""
        self.follows.pop((follower, followed), None)
        if state != "NONE":
            self.follows[follower, followed] = state

    def state(self, follower: str, followed: str) -> str:
        """FollowState."""
        return self.follows.get((follower, followed), "NONE")

    def relationship(self, viewer: str, other: str) -> dict[str, Any] | None:
        """What stands between the two; None for oneself and for strangers."""
        if not viewer or viewer == other:
            return None
        return {
            "follow": self.state(viewer, other),
            "followedBy": self.state(other, viewer),
            "blocks": (viewer, other) in self.blocks,
            "mutes": (viewer, other) in self.mutes,
        }


def rows_of(world: World, handles: Iterable[str], first: int, after: str | None) -> dict[str, Any]:
    """A page of people."""
    users = [world.people[handle]["user"] for handle in handles]
    start = next((at + 1 for at, user in enumerate(users) if f"u-{user['id']}" == after), 0)
    page = users[start : start + first]
    edges = [{"cursor": f"u-{user['id']}", "userId": user["id"], "since": user["createdAt"], "node": user} for user in page]
    end = edges[-1]["cursor"] if edges else None
    return {"edges": edges, "pageInfo": {"hasNextPage": len(users) > start + first, "hasPreviousPage": False, "endCursor": end}}


def engaged(world: World, ids: Iterable[str]) -> dict[str, Any]:
    """A page of videos that somebody did something with; those that are gone have no node."""
    edges = [{"cursor": f"c-{one}", "videoId": one, "node": world.videos.get(one)} for one in ids]
    return {"edges": edges, "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "endCursor": None}}


@dataclass(slots=True)
class PeopleFields:
    """Fields of Query and Mutation about people, of one operation of one viewer."""

    world: World
    viewer: str

    def handle_of(self, user_id: str) -> str:
        """Whose id it is."""
        return next(handle for handle, account in self.world.people.items() if account["user"]["id"] == user_id)

    def followers(self, handle: str, first: int, after: str | None) -> dict[str, Any]:
        """Who follows somebody."""
        found = [one for (one, other), state in self.world.crowd.follows.items() if other == handle and state == "FOLLOWING"]
        return rows_of(self.world, reversed(found), first, after)

    def following(self, handle: str, first: int, after: str | None) -> dict[str, Any]:
        """Whom somebody follows."""
        found = [other for (one, other), state in self.world.crowd.follows.items() if one == handle and state == "FOLLOWING"]
        return rows_of(self.world, reversed(found), first, after)

    def followRequests(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        found = [one for (one, other), state in self.world.crowd.follows.items() if other == self.viewer and state == "REQUESTED"]
        return rows_of(self.world, found, first, after)

    def blockedUsers(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        return rows_of(self.world, sorted(other for one, other in self.world.crowd.blocks if one == self.viewer), first, after)

    def mutedUsers(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        return rows_of(self.world, sorted(other for one, other in self.world.crowd.mutes if one == self.viewer), first, after)

    def _related(self, input: dict[str, Any]) -> dict[str, Any]:
        other = self.handle_of(input["userId"])
        relationship = self.world.crowd.relationship(self.viewer, other)
        return {"user": self.world.people[other]["user"], "relationship": relationship, "userErrors": []}

    def follow(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        other = self.handle_of(input["userId"])
        asks = self.world.people[other]["user"]["isPrivate"]
        self.world.crowd.follow(self.viewer, other, "REQUESTED" if asks else "FOLLOWING")
        return self._related(input)

    def unfollow(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.world.crowd.follow(self.viewer, self.handle_of(input["userId"]), "NONE")
        return self._related(input)

    def approveFollow(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.world.crowd.follow(self.handle_of(input["userId"]), self.viewer)
        return self._related(input)

    def declineFollow(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.world.crowd.follow(self.handle_of(input["userId"]), self.viewer, "NONE")
        return self._related(input)

    def removeFollower(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self.declineFollow(info, input)

    def block(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        other = self.handle_of(input["userId"])
        self.world.crowd.blocks.add((self.viewer, other))
        self.world.crowd.follow(self.viewer, other, "NONE")
        self.world.crowd.follow(other, self.viewer, "NONE")
        return self._related(input)

    def unblock(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.world.crowd.blocks.discard((self.viewer, self.handle_of(input["userId"])))
        return self._related(input)

    def mute(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.world.crowd.mutes.add((self.viewer, self.handle_of(input["userId"])))
        return self._related(input)

    def unmute(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.world.crowd.mutes.discard((self.viewer, self.handle_of(input["userId"])))
        return self._related(input)

    def likedVideos(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        return engaged(self.world, self.world.acted("liked"))

    def savedVideos(self, info: Any, first: int, after: str | None = None, collectionId: str | None = None) -> dict[str, Any]:  # noqa: N802,N803
        kept = self.world.crowd.kept_in
        return engaged(self.world, [one for one in self.world.acted("saved") if collectionId is None or kept.get(one) == collectionId])

    def collections(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:
        edges = [{"cursor": one, "node": self._collection(one)} for one in self.world.crowd.collections]
        return {"edges": edges, "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}

    def _collection(self, id: str) -> dict[str, Any]:
        return {"id": id, "name": self.world.crowd.collections[id]}

    def createCollection(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        made = self.world.crowd.done.setdefault(input["requestId"], str(300 + len(self.world.crowd.collections)))
        self.world.crowd.collections[made] = input["name"]
        return {"collection": self._collection(made), "userErrors": []}

    def renameCollection(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.world.crowd.collections[input["collectionId"]] = input["name"]
        return {"collection": self._collection(input["collectionId"]), "userErrors": []}

    def deleteCollection(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del self.world.crowd.collections[input["collectionId"]]
        return {"deletedCollectionId": input["collectionId"], "userErrors": []}

    def updateProfile(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        user = self.world.people[self.viewer]["user"]
        user.update({name: input[name] for name in ("displayName", "bio") if input.get(name) is not None})
        return {"user": user, "userErrors": []}

    def startAvatarUpload(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.must_sign_in()
        self.world.parts.setdefault(FACES, {})
        return {"upload": {"imageId": "9001", "url": f"/upload/{FACES}/1"}, "userErrors": []}

    def completeAvatar(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        user = self.must_sign_in()["user"]
        user["avatar"] = {"id": input["imageId"], "url": f"/{FACES}/1"}
        return {"user": user, "userErrors": []}

    def removeAvatar(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        user = self.must_sign_in()["user"]
        user["avatar"] = None
        return {"user": user, "userErrors": []}

    def changeHandle(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        account, wanted = self.must_sign_in(), input["handle"].lower()
        if wanted in self.world.people:
            refused = {"code": "HANDLE_TAKEN", "message": "taken", "field": None, "retryable": False, "details": []}
            return {"user": None, "userErrors": [refused]}
        account["user"]["handle"] = wanted
        return {"user": account["user"], "userErrors": []}

    def updatePrivacy(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        account = self.world.people[self.viewer]
        account["privacy"].update({name: value for name, value in input.items() if name != "requestId" and value is not None})
        return {"account": account, "userErrors": []}

    def endSession(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.world.crowd.sessions.pop(input["sessionId"], None)
        return {"endedSessionId": input["sessionId"], "userErrors": []}

    def endOtherSessions(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        sessions = self.world.crowd.sessions
        ended = [name for name, one in sessions.items() if input["includingThis"] or not one["current"]]
        for name in ended:
            del sessions[name]
        return {"ended": len(ended), "userErrors": []}

    def changePassword(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"changed": True, "userErrors": []}

    def requestPasswordReset(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"taken": True, "userErrors": []}

    def requestEmailVerification(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"taken": True, "userErrors": []}

    def resetPassword(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"changed": input["token"] == MAILED, "userErrors": self._token_errors(input)}

    def verifyEmail(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"verified": input["token"] == MAILED, "userErrors": self._token_errors(input)}

    def _token_errors(self, input: dict[str, Any]) -> list[dict[str, Any]]:
        refused: dict[str, Any] = {"code": "INVALID_MAIL_TOKEN", "message": "refused", "field": None, "retryable": False, "details": []}
        return [] if input["token"] == MAILED else [refused]

    def must_sign_in(self) -> dict[str, Any]:
        """The viewer's account. Raises the fault of strangers."""
        if self.viewer not in self.world.people:
            raise GraphQLError("sign in first", extensions={"code": "UNAUTHENTICATED"})
        return self.world.people[self.viewer]
