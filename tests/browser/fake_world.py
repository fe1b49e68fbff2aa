"""What the fake gateway knows, in the shape of the GraphQL schema: people, videos, uploads, reviews; tests change it and read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.browser.fake_people import Crowd
from tests.browser.fake_talk import Talk

PART_BYTES = 256 * 1024
PASSWORD = "correct horse battery"


def iso(moment: datetime) -> str:
    """A DateTime of the schema."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """This moment."""
    return iso(datetime.now(UTC))


def user_error(code: str, **facts: str) -> dict[str, Any]:
    """One expected outcome."""
    details = [{"name": name, "value": value} for name, value in facts.items()]
    return {"code": code, "message": "refused", "field": None, "retryable": False, "details": details}


@dataclass(slots=True)
class World:
    """All facts of one test."""

    media: tuple[str, ...]
    """Folders of clips that the fake serves."""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    """In the order of the feed."""
    crowd: Crowd = field(default_factory=Crowd)
    talk: Talk = field(default_factory=Talk)
    gone: dict[str, str] = field(default_factory=dict)
    """Videos that are no longer there -> the word of what somebody did with them: liked, saved."""
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_request: dict[str, str] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    reviews: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Operation names with their variables, in order."""
    fail: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Mutation -> user errors that it answers next."""
    fetched: list[str] = field(default_factory=list)
    """Media paths in the order asked."""
    ranges: list[tuple[str, str, str]] = field(default_factory=list)
    """Media path, Range header and Sec-Fetch-Dest of each request."""
    reporters: list[str] = field(default_factory=list)
    """Who sent each report that was taken; "" for a stranger."""
    view_tokens_of: str | None = None
    """Whose the view tokens are: reports of others are refused. None takes those of everybody."""
    broken_parts: int = 0
    """How many parts fail before one is taken."""
    lost_uploads: int = 0
    """How many uploads lose their parts when they are to be completed."""
    gone_suffix: str = ""
    """Media files with this ending answer 403, as after the end of a grant."""
    grown_segments: int = 99
    """How many segments the playlists that grow name by now."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    revoked: list[str] = field(default_factory=list)
    token_delay_s: float = 0.0
    """How long an exchange of tokens takes."""
    token_life_s: int = 900
    """How long an access token is good."""
    refused_grants: int = 0
    """Tokens and codes that were unknown or spent."""
    repeated_grants: int = 0
    """Spent refresh tokens that came again within the grace for lost answers."""
    rehearsed: int = 0
    """Progress sockets to cut after their first answer."""

    def person(self, handle: str, *, roles: tuple[str, ...] = ("VIEWER",)) -> dict[str, Any]:
        """Somebody with an account."""
        user = {
            "__typename": "User",
            "id": str(1000 + len(self.people)),
            "handle": handle,
            "displayName": handle.title(),
            "bio": "",
            "verified": False,
            "isPrivate": False,
            "createdAt": now(),
            "followerCount": lambda info: str(self._edges(1, handle)),
            "followingCount": lambda info: str(self._edges(0, handle)),
            "relationship": lambda info: self.crowd.relationship(getattr(info.root_value, "viewer", ""), handle),
        }
        account = {
            "user": user,
            "email": f"{handle}@example.com",
            "emailVerified": False,
            "privacy": {"isPrivate": False, **dict.fromkeys(("comments", "duets", "stitches", "messages"), "EVERYONE")},
            "ageBand": "ADULT",
            "roles": list(roles),
            "consents": [],
            "languages": ["en"],
        }
        self.people[handle] = account
        return account

    def _edges(self, end: int, handle: str) -> int:
        return sum(pair[end] == handle and state == "FOLLOWING" for pair, state in self.crowd.follows.items())

    def session(self, device: str, *, current: bool = False) -> dict[str, Any]:
        """A place where the viewer is signed in."""
        session_id = str(40 + len(self.crowd.sessions))
        made = {"id": session_id, "client": "clipmesh-web", "device": device, "createdAt": now(), "lastUsedAt": now(), "current": current}
        self.crowd.sessions[session_id] = made
        return made

    def acted(self, word: str) -> list[str]:
        """Videos that the viewer liked, saved or reposted, newest first."""
        there = [one for one, video in self.videos.items() if (video.get("viewerState") or {}).get(word)]
        return [*reversed(there), *(one for one, what in self.gone.items() if what == word)]

    def video(self, handle: str, caption: str, **changes: Any) -> dict[str, Any]:
        """A published clip; its media are one of the folders in turn."""
        number = len(self.videos) + 1
        creator = self.people.get(handle) or self.person(handle)
        made = {
            "__typename": "Video",
            "id": str(500 + number),
            "state": "READY",
            "creator": creator["user"],
            "caption": caption,
            "hashtags": ["calm", "loop"],
            "category": "MUSIC",
            "language": None,
            "visibility": "PUBLIC",
            "switches": {"allowComments": True, "allowDuet": True, "allowStitch": True, "allowDownload": True},
            "durationMs": 5000,
            "width": 216,
            "height": 384,
            "hasAudio": True,
            "viewCount": str(1230 * number),
            "createdAt": now(),
            "publishedAt": now(),
            "failureCode": None,
            "failureDetail": None,
            "progressPercent": 100,
            "version": "3",
            "viewToken": lambda info, surface: f"token-{surface.lower()}-{500 + number}",
            "playback": self.playback(number),
        }
        made["sound"] = {
            "id": str(700 + number),
            "kind": "ORIGINAL",
            "title": "",
            "creator": creator["user"],
            "durationMs": 5000,
            "videoCount": "1",
        }
        made["sound"]["videos"] = lambda info, first, after=None: connection([made])
        made.update(self._said(str(made["id"])))
        made.update(changes)
        self.videos[made["id"]] = made
        return made

    def _said(self, id: str) -> dict[str, Any]:
        """Fields of a video about its comments."""

        def comments(info: Any, order: str, first: int, levels: int, children: int, after: str | None = None) -> dict[str, Any]:
            found = [one for one in self.talk.comments.values() if one["videoId"] == id and one["level"] == 1 and self.talk.stands(one)]
            found = found if order == "OLDEST" else found[::-1]
            found.sort(key=lambda one: (not one["pinned"], -int(one["likeCount"]) if order == "TOP" else 0))
            return self.talk.page(found, first, after, levels, children)

        def replies(info: Any, commentId: str, first: int, levels: int, children: int, after: str | None = None) -> dict[str, Any]:  # noqa: N803
            return self.talk.page(self.talk.children(commentId), first, after, levels, children, "r")

        def path(info: Any, commentId: str) -> list[dict[str, Any]] | None:  # noqa: N803
            found: list[dict[str, Any]] = []
            one = self.talk.comments.get(commentId)
            while one:
                found.insert(0, self.talk.shaped(one, 1, 1))
                one = self.talk.comments.get(one["parentId"] or "")
            return found or None

        return {"commentCount": lambda info: self.talk.count(id), "comments": comments, "replies": replies, "commentPath": path}

    def playback(self, number: int) -> dict[str, Any]:
        """Addresses of one of the folders."""
        base = f"/m/{self.media[number % len(self.media)]}"
        return {
            "refusal": None,
            "masterPlaylistUrl": f"{base}/master.m3u8",
            "startPlaylistUrl": f"{base}/start.m3u8",
            "dashManifestUrl": None,
            "mp4Url": f"{base}/clip.mp4",
            "growingPlaylistUrl": None,
            "posterUrl": f"{base}/poster.jpg",
            "previewUrl": None,
            "storyboardUrl": f"{base}/storyboard.vtt",
            "waveformUrl": f"{base}/waveform.json",
            "startLevel": 216,
            "renditions": [108, 216],
            "expiresAt": iso(datetime.now(UTC) + timedelta(minutes=10)),
        }

    def growing(self, number: int) -> dict[str, Any]:
        """The address of one of the folders whose clip is still made."""
        whole = self.playback(number)
        return {
            **{name: None if name.endswith("Url") else whole[name] for name in whole},
            "refusal": "NOT_READY",
            "growingPlaylistUrl": whole["masterPlaylistUrl"].replace("master.m3u8", "growing.m3u8"),
            "startLevel": None,
            "renditions": [],
        }

    def review(self, video: dict[str, Any], *, policy: str = "links", severity: int = 40) -> dict[str, Any]:
        """A case about a clip."""
        evidence = [{"policy": policy, "detail": "the caption has a link to example.org", "kind": "REVIEW"}]
        made = {
            "id": str(900 + len(self.reviews)),
            "video": video,
            "creator": video["creator"],
            "state": "OPEN",
            "severity": severity,
            "verdict": {"kind": "REVIEW", "policy": policy, "evidence": evidence, "decidedAt": now()},
            "caption": video["caption"],
            "createdAt": now(),
            "decision": None,
            "decisionReason": None,
            "decidedAt": None,
        }
        self.reviews[made["id"]] = made
        return made

    def tell(self) -> None:
        """Wake everybody who listens for progress."""
        self.changed.set()
        self.changed = asyncio.Event()

    def progress(self, upload_id: str, stage: str, percent: int, **changes: Any) -> None:
        """Move an upload on; its video moves with it."""
        upload = self.uploads[upload_id]
        upload.update(stage=stage, progressPercent=percent, playable=stage in {"ENCODING_REST", "DONE"}, **changes)
        video = self.videos[upload_id]
        video["progressPercent"] = percent
        if upload["failureCode"]:
            video.update(state="FAILED", failureCode=upload["failureCode"])
        elif upload["playable"]:
            video["playback"] = self.playback(1)
            video["state"] = {"PROCESSING": "DRAFT", "ASSESSING": "READY"}.get(video["state"], video["state"])
        self.tell()

    async def counters(self, video_id: str) -> AsyncIterator[dict[str, Any]]:
        """The counts of a video now and whenever they changed."""
        told: dict[str, Any] | None = None
        while True:
            moved, video = self.talk.moved, self.videos[video_id]
            counts: dict[str, Any] = {f"{name}Count": str(video.get(f"{name}Count") or 0) for name in ("like", "save", "share", "repost")}
            counts |= {"videoId": video_id, "approximate": False, "commentCount": self.talk.count(video_id)}
            if counts != told:
                told = counts
                yield {"videoCounters": counts}
            await moved.wait()

    async def states(self, upload_id: str) -> AsyncIterator[dict[str, Any]]:
        """An upload now and after every change."""
        while True:
            changed, upload = self.changed, dict(self.uploads[upload_id])
            yield {"uploadProgress": upload}
            if upload["stage"] in {"DONE", "FAILED"}:
                return
            await changed.wait()


def connection(nodes: list[dict[str, Any]], *, more: bool = False, **edge: Any) -> dict[str, Any]:
    """A page of a list."""
    edges = [{"cursor": f"c-{node['id']}", "node": node, **edge} for node in nodes]
    end = edges[-1]["cursor"] if edges else None
    info = {"hasNextPage": more, "hasPreviousPage": False, "startCursor": edges[0]["cursor"] if edges else None, "endCursor": end}
    return {"edges": edges, "pageInfo": info}
