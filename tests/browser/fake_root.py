"""Resolvers of the fake gateway over its world: the fields of Query and Mutation by their names."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from tests.browser.fake_people import PeopleFields, engaged
from tests.browser.fake_talk import TalkFields
from tests.browser.fake_world import PART_BYTES, PASSWORD, World, connection, now, user_error

TALK = frozenset(name for name in vars(TalkFields) if not name.startswith("_")) - {"talk", "person"}
"""Fields about comments and inboxes."""


@dataclass(slots=True)
class Root(PeopleFields):
    """One operation of one viewer."""

    def __getattribute__(self, name: str) -> Any:
        world: World = object.__getattribute__(self, "world")
        if name in TALK:
            account = world.people.get(object.__getattribute__(self, "viewer"))
            found = getattr(TalkFields(talk=world.talk, person=account["user"] if account else None), name)
        else:
            found = object.__getattribute__(self, name)
        if world.fail.get(name):
            error = world.fail[name].pop(0)
            lost = dict.fromkeys(("changed", "taken", "verified"), False)
            return lambda info, **_: {"userErrors": [error], "outcomes": [], "parts": [], **lost}
        return found

    def me(self, info: Any) -> dict[str, Any] | None:
        if not self.viewer:
            return None
        account = self.must_sign_in()
        user = {**account["user"], "videos": lambda info, first, after=None: self._own(first, after)}
        sessions = list(self.world.crowd.sessions.values())
        return {**account, "user": user, "sessions": lambda info, first, after=None: connection(sessions)}

    def _own(self, first: int, after: str | None) -> dict[str, Any]:
        mine = [video for video in reversed(self.world.videos.values()) if video["creator"]["handle"] == self.viewer]
        start = next((at + 1 for at, video in enumerate(mine) if f"c-{video['id']}" == after), 0)
        return connection(mine[start : start + first], more=len(mine) > start + first)

    def user(self, info: Any, handle: str | None = None, id: str | None = None) -> dict[str, Any] | None:
        handle = handle if id is None else self.handle_of(id)
        if handle not in self.world.people or (handle, self.viewer) in self.world.crowd.blocks:
            return None
        found = self.world.people[handle]["user"]
        shut = found["isPrivate"] and self.viewer != handle and self.world.crowd.state(self.viewer, handle) != "FOLLOWING"
        theirs = [] if shut else [video for video in self._public() if video["creator"]["handle"] == handle]
        return {
            **found,
            "videos": lambda info, first, after=None: self._own(first, after) if handle == self.viewer else connection(theirs),
            "followers": lambda info, first, after=None: None if shut else self.followers(handle, first, after),
            "following": lambda info, first, after=None: None if shut else self.following(handle, first, after),
            "reposts": lambda info, first, after=None: None if shut else engaged(self.world, self.world.acted("reposted")),
        }

    def _public(self) -> list[dict[str, Any]]:
        return [video for video in self.world.videos.values() if video["state"] == "READY" and video["visibility"] == "PUBLIC"]

    def forYou(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        videos = self._public()
        start = next((at + 1 for at, video in enumerate(videos) if f"c-{video['id']}" == after), 0)
        page = connection(videos[start : start + first], more=len(videos) > start + first)
        for edge in page["edges"]:
            edge.update(viewToken=f"token-{edge['node']['id']}", sources=["fresh"])
        return {**page, "feedSessionId": "s", "servedBy": "contextual", "degraded": []}

    def video(self, info: Any, id: str) -> dict[str, Any] | None:
        return self.world.videos.get(id)

    def videos(self, info: Any, ids: list[str]) -> list[dict[str, Any] | None]:
        return [self.world.videos.get(one) for one in ids]

    def sound(self, info: Any, id: str) -> dict[str, Any] | None:
        return next((video["sound"] for video in self.world.videos.values() if video["sound"]["id"] == id), None)

    def uploads(self, info: Any, first: int, after: str | None = None) -> dict[str, Any]:
        return connection([upload for upload in self.world.uploads.values() if upload["owner"] == self.viewer])

    def reviewQueue(self, info: Any, state: str, first: int, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        if not {"MODERATOR", "ADMIN"} & set(self.must_sign_in()["roles"]):
            raise GraphQLError("for moderators", extensions={"code": "FORBIDDEN"})
        return connection([review for review in self.world.reviews.values() if review["state"] == state])

    def signUp(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if input["handle"] in self.world.people:
            return {"userErrors": [user_error("HANDLE_TAKEN")]}
        account = self.world.person(input["handle"])
        account["consents"] = list(input.get("consents") or [])
        return {"user": account["user"], "userErrors": []}

    def updateConsents(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        account = self.must_sign_in()
        account["consents"] = list(input["consents"])
        return {"account": account, "userErrors": []}

    def like(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return self._act(input, "liked", "likeCount", done=True)

    def unlike(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return self._act(input, "liked", "likeCount", done=False)

    def save(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.world.crowd.kept_in[input["videoId"]] = input.get("collectionId")
        return self._act(input, "saved", "saveCount", done=True)

    def unsave(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return self._act(input, "saved", "saveCount", done=False)

    def share(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.must_sign_in()
        return {"shareId": "1", "userErrors": []}

    def repost(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        return self._act(input, "reposted", "repostCount", done=True)

    def undoRepost(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._act(input, "reposted", "repostCount", done=False)

    def _act(self, input: dict[str, Any], state: str, count: str, *, done: bool) -> dict[str, Any]:
        """One person acts in these tests: a video holds what its viewer did."""
        self.must_sign_in()
        if input["videoId"] not in self.world.videos:
            self.world.gone.pop(input["videoId"], None)
            return {"videoId": input["videoId"], "viewerState": {"liked": False, "saved": False, "reposted": False}, "userErrors": []}
        video = self.world.videos[input["videoId"]]
        known = video.setdefault("viewerState", {"liked": False, "saved": False, "reposted": False})
        video[count] = str(int(video.get(count) or 0) + done - known[state])
        known[state] = done
        return {"videoId": video["id"], "viewerState": known, "userErrors": []}

    def startUpload(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.must_sign_in()
        known = self.world.by_request.get(input["requestId"])
        if known is None:
            known = self._open(input)
            self.world.by_request[input["requestId"]] = known
        return {"upload": self.world.uploads[known], "userErrors": []}

    def _open(self, input: dict[str, Any]) -> str:
        size = int(input["sizeBytes"])
        video = self.world.video(self.viewer, "", state="UPLOADING", progressPercent=0, playback=None, publishedAt=None, viewCount="0")
        upload = {
            "id": video["id"],
            "owner": self.viewer,
            "state": "OPEN",
            "video": video,
            "sizeBytes": str(size),
            "mimeType": input["mimeType"],
            "partSizeBytes": PART_BYTES,
            "partCount": -(-size // PART_BYTES),
            "expiresAt": now(),
            "createdAt": now(),
            "failureCode": None,
            "failureDetail": None,
            "stage": "WAITING",
            "progressPercent": 0,
            "playable": False,
        }
        parts: dict[int, bytes] = {}
        upload["receivedParts"] = lambda info: [{"partNumber": one, "sizeBytes": len(parts[one]), "etag": "x"} for one in sorted(parts)]
        self.world.parts[video["id"]] = parts
        self.world.uploads[video["id"]] = upload
        return str(video["id"])

    def signUploadParts(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        upload = self.world.uploads[input["uploadId"]]
        size, number = int(upload["sizeBytes"]), upload["partCount"]
        sizes = {one: PART_BYTES if one < number else size - (number - 1) * PART_BYTES for one in input["partNumbers"]}
        parts = [
            {"partNumber": one, "url": f"/upload/{upload['id']}/{one}?link={uuid.uuid4().hex}", "sizeBytes": sizes[one], "expiresAt": now()}
            for one in input["partNumbers"]
        ]
        return {"parts": parts, "userErrors": []}

    def completeUpload(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        upload = self.world.uploads[input["uploadId"]]
        if self.world.lost_uploads > 0:
            self.world.lost_uploads -= 1
            self.world.parts[upload["id"]].clear()
        if len(self.world.parts[upload["id"]]) < upload["partCount"]:
            return {"userErrors": [user_error("MISSING_PARTS")]}
        upload.update(state="COMPLETED", stage="QUEUED")
        if self.world.videos[upload["id"]]["state"] == "UPLOADING":
            self.world.videos[upload["id"]]["state"] = "PROCESSING"
        return {"upload": upload, "userErrors": []}

    def abortUpload(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        upload = self.world.uploads[input["uploadId"]]
        upload["state"] = "ABORTED"
        return {"upload": upload, "userErrors": []}

    def publishVideo(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        video = self.world.videos[input["videoId"]]
        words = {name: input[name] for name in ("caption", "hashtags", "category", "visibility", "switches")}
        video.update(words, state="READY" if video["playback"] else "ASSESSING", publishedAt=now())
        return {"video": video, "userErrors": []}

    def updateVideo(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        video = self.world.videos[input["videoId"]]
        if input["expectedVersion"] not in {None, video["version"]}:
            return {"userErrors": [user_error("CONFLICT")]}
        words = {name: input[name] for name in ("caption", "hashtags", "category", "visibility", "switches")}
        video.update(words, version=str(int(video["version"]) + 1))
        return {"video": video, "userErrors": []}

    def deleteVideo(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del self.world.videos[input["videoId"]]
        return {"deletedVideoId": input["videoId"], "userErrors": []}

    def reportWatch(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.world.view_tokens_of not in {None, self.viewer}:
            return {"outcomes": ["BAD_TOKEN"] * len(input["reports"]), "userErrors": []}
        known = {report["eventId"] for report in self.world.reports}
        fresh = [report for report in input["reports"] if report["eventId"] not in known]
        self.world.reports += fresh
        self.world.reporters += [self.viewer] * len(fresh)
        outcomes = ["DUPLICATE" if report["eventId"] in known else "ACCEPTED" for report in input["reports"]]
        return {"outcomes": outcomes, "userErrors": []}

    def decideReview(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        review = self.world.reviews[input["reviewId"]]
        review.update(state="DECIDED", decision=input["decision"], decisionReason=input["reason"], decidedAt=now())
        return {"review": review, "userErrors": []}


def password_fits(world: World, login: str, password: str) -> bool:
    """One password opens every account."""
    return login in world.people and password == PASSWORD
