"""What people do at once from several devices: asked again until answered, given up, asked again later, and asked twice; all of it written down."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import grpc
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import graph_service_pb2 as graph_pb
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from mesh.client import RpcFailed
from tests.service.social.linearized import NEVER, Op

S = TypeVar("S")

ALL: Final = (permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_COMMENT, permit_pb2.PERMIT_KIND_ENGAGE)
AGAIN: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Answers after which a client asks again with the same request id."""
KINDS: Final = ("liked", "saved")
BONDS: Final = ("Follow", "Follow", "Follow", "Unfollow", "ApproveFollow", "DeclineFollow", "RemoveFollower", "Block", "Unblock", "Unblock")
ENGAGING: Final = ("Like", "Like", "Like", "Unlike", "Save", "Unsave")
OF_COMMENTS: Final = ("post", "post", "post", "edit", "delete", "hide", "approve", "like", "like", "unlike")


class Place(Protocol):
    """Where people meet: the service, as so many processes."""

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    def stub(self, stub_type: Callable[..., S], user_id: int = 0, *, at: int = 0, caller: str = "gateway") -> S:
        """A service as another one calls it for a person, 0 for nobody."""
        ...

    def permit(self, user_id: int, video_id: int, owner_id: int, kinds: Sequence[Any], *, at: int = 0) -> Any:
        """Video's word of what a person may do."""
        ...


@dataclass(slots=True)
class Said:
    """A comment whose writer was told its id, or might have been."""

    author: int
    video: int
    text: str
    answers: Said | None
    comment_id: int = 0
    posted_at_ms: int = 0

    @property
    def chain(self) -> list[Said]:
        """It after everything that it answers, the top first."""
        return [*(self.answers.chain if self.answers else []), self]


@dataclass(slots=True)
class Asked:
    """A request, and what became of it."""

    word: str
    who: int
    request_id: str
    whom: int = -1
    video: int = -1
    said: Said | None = None
    text: str = ""
    begun: float = 0
    ended: float = NEVER
    attempts: int = 0
    answer: Any = None
    refusal: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether the only attempt was answered, so that the answer is about this very attempt."""
        return self.attempts == 1 and self.ended != NEVER

    @property
    def may_be_lost(self) -> bool:
        """Whether it may not have been done: nobody heard of it, or it was refused after an attempt of which nobody heard."""
        return self.ended == NEVER or (bool(self.refusal) and self.attempts > 1)

    def op(self, after: Callable[[Any], Iterable[Any]]) -> Op[Any]:
        """It as something that was done to one thing."""
        return Op(begun=self.begun, ended=self.ended, after=after, may_be_lost=self.may_be_lost, what=f"{self}")


@dataclass(slots=True)
class Doing:
    """Everything that a crowd does, in one order of moments."""

    place: Place
    people: Sequence[int]
    videos: Sequence[int]
    """Each is of the person with the same number."""
    name: str
    patience_s: float = 20.0
    moments: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    asked: list[Asked] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    """Comments whose ids are known."""
    looks: list[tuple[float, float, str, Any]] = field(default_factory=list)
    """(begun, ended, what was looked at, what was seen)."""
    repeats: int = 0
    reused: int = 0
    deaths_noticed: int = 0

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def call(self, asked: Asked, *, at: int, timeout_s: float) -> Any:
        """Ask once."""
        match asked.word:
            case "Like" | "Save":
                request = getattr(engagement_pb, f"{asked.word}Request")(
                    request_id=asked.request_id, video_id=self.videos[asked.video], permit=self._permit(asked, asked.video, at)
                )
                return await self._ask(EngagementServiceStub, asked, request, at, timeout_s)
            case "Unlike" | "Unsave":
                request = getattr(engagement_pb, f"{asked.word}Request")(request_id=asked.request_id, video_id=self.videos[asked.video])
                return await self._ask(EngagementServiceStub, asked, request, at, timeout_s)
            case "PostComment":
                answers_id = asked.said.comment_id if asked.said else 0
                request = comment_pb.PostCommentRequest(
                    request_id=asked.request_id,
                    video_id=self.videos[asked.video],
                    permit=self._permit(asked, asked.video, at),
                    answers_id=answers_id,
                    text=asked.text,
                )
                return await self._ask(CommentServiceStub, asked, request, at, timeout_s)
            case "LikeComment":
                assert asked.said is not None
                request = comment_pb.LikeCommentRequest(
                    request_id=asked.request_id,
                    video_id=self.videos[asked.video],
                    permit=self._permit(asked, asked.video, at),
                    comment_id=asked.said.comment_id,
                )
                return await self._ask(CommentServiceStub, asked, request, at, timeout_s)
            case word if word.endswith("Comment"):
                assert asked.said is not None
                fields = {"text": asked.text} if word == "EditComment" else {}
                request = getattr(comment_pb, f"{word}Request")(request_id=asked.request_id, comment_id=asked.said.comment_id, **fields)
                return await self._ask(CommentServiceStub, asked, request, at, timeout_s)
            case word:
                request = getattr(graph_pb, f"{word}Request")(request_id=asked.request_id, user_id=self.people[asked.whom])
                return await self._ask(GraphServiceStub, asked, request, at, timeout_s)
        raise AssertionError(asked)

    async def _ask(self, stub_type: Callable[..., Any], asked: Asked, request: Any, at: int, timeout_s: float) -> Any:
        stub = self.place.stub(stub_type, self.people[asked.who], at=at)
        return await getattr(stub, asked.word)(request, timeout=timeout_s)

    def _permit(self, asked: Asked, video: int, at: int) -> Any:
        return self.place.permit(self.people[asked.who], self.videos[video], self.people[video], ALL, at=at)

    # ── a device ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def device(self, who: int, seed: str, acts: int, *, after_each: Callable[[random.Random], Awaitable[None]]) -> None:
        """One device of a person does so many things, one after the other but for what it puts off."""
        dice = random.Random(seed)
        put_off: list[Asked] = []
        answered: list[Asked] = []
        for number in range(acts):
            asked = self._choose(dice, who, f"{self.name}-{seed}-{number}")
            if asked is not None:
                self.asked.append(asked)
                await self._insist(dice, asked, put_off, answered)
            if put_off and dice.random() < 0.3:
                await self._insist(dice, put_off.pop(dice.randrange(len(put_off))), put_off, answered)
            if answered and dice.random() < 0.2:
                await self._repeat(dice, dice.choice(answered))
            if answered and dice.random() < 0.15:
                await self._reuse(dice, dice.choice(answered))
            if dice.random() < 0.35:
                await self._look(dice, who)
            await after_each(dice)
        for asked in put_off:
            await self._insist(dice, asked, [], answered, gives_up=False)

    async def _insist(
        self, dice: random.Random, asked: Asked, put_off: list[Asked], answered: list[Asked], *, gives_up: bool = True
    ) -> None:
        asked.begun = asked.begun or next(self.moments)
        while True:
            asked.attempts += 1
            # Now and then the client goes away in the middle of its own request.
            hasty = gives_up and dice.random() < 0.08
            try:
                answer = await self.call(
                    asked, at=dice.randrange(self.place.size), timeout_s=dice.uniform(0.001, 0.02) if hasty else self.patience_s
                )
            except RpcFailed as failed:
                if failed.code not in AGAIN:
                    asked.refusal, asked.ended = failed.reason, next(self.moments)
                    return
                self.deaths_noticed += 1
                if gives_up and dice.random() < 0.08:
                    return
                if gives_up and dice.random() < 0.3:
                    put_off.append(asked)
                    return
                await asyncio.sleep(0.005)
                continue
            asked.answer, asked.ended = answer, next(self.moments)
            answered.append(asked)
            if asked.word == "PostComment":
                comment = answer.comment
                self.said.append(Said(asked.who, asked.video, asked.text, asked.said, comment.comment_id, comment.posted_at_ms))
            return

    async def _repeat(self, dice: random.Random, asked: Asked) -> None:
        """The same request once more, long after its answer: it changes nothing, whatever it is answered."""
        self.repeats += 1
        try:
            await self.call(asked, at=dice.randrange(self.place.size), timeout_s=self.patience_s)
        except RpcFailed as failed:
            if not (failed.code in AGAIN or failed.code is grpc.StatusCode.NOT_FOUND or failed.reason == "UNBLOCK_FIRST"):
                raise

    async def _reuse(self, dice: random.Random, asked: Asked) -> None:
        """The request id of one request for another one: refused by name."""
        other: dict[str, Any] = {}
        match asked.word:
            case "Like" | "Unlike" | "Save" | "Unsave":
                other = {"video": (asked.video + 1) % len(self.videos)}
            case "PostComment":
                other = {"text": f"{asked.text} or not"}
            case _:
                return
        request = Asked(asked.word, asked.who, asked.request_id, **{"video": asked.video, "text": asked.text, "said": asked.said, **other})
        try:
            await self.call(request, at=dice.randrange(self.place.size), timeout_s=self.patience_s)
        except RpcFailed as failed:
            if failed.code not in AGAIN and failed.reason != "REQUEST_ID_REUSED":
                raise
            self.reused += failed.reason == "REQUEST_ID_REUSED"
        else:
            raise AssertionError(f"the request id of {asked} was good for another request")

    def _choose(self, dice: random.Random, who: int, request_id: str) -> Asked | None:
        kind = dice.random()
        if kind < 0.35:
            whom = dice.choice([one for one in range(len(self.people)) if one != who])
            return Asked(dice.choice(BONDS), who, request_id, whom=whom)
        if kind < 0.6:
            return Asked(dice.choice(ENGAGING), who, request_id, video=dice.randrange(len(self.videos)))
        word = dice.choice(OF_COMMENTS)
        if word == "post":
            return self._post(dice, who, request_id)
        wanted = {
            "edit": [one for one in self.said if one.author == who],
            "delete": [one for one in self.said if one.author == who],
            "hide": [one for one in self.said if one.video == who],
            "approve": [one for one in self.said if one.video == who],
        }.get(word, self.said)
        if not wanted:
            return self._post(dice, who, request_id)
        said = dice.choice(wanted)
        return Asked(f"{word.capitalize()}Comment", who, request_id, video=said.video, said=said, text=self._text(dice, request_id))

    def _post(self, dice: random.Random, who: int, request_id: str) -> Asked:
        answered = dice.choice(self.said[-6:]) if self.said and dice.random() < 0.7 else None
        video = answered.video if answered else dice.randrange(len(self.videos))
        return Asked("PostComment", who, request_id, video=video, said=answered, text=self._text(dice, request_id))

    @staticmethod
    def _text(dice: random.Random, request_id: str) -> str:
        return f"{dice.choice(['plain', 'plain', 'plain', 'doubtful'])} {request_id}"

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look(self, dice: random.Random, who: int) -> None:
        """See how something stands while others change it."""
        at, begun, user_id = dice.randrange(self.place.size), next(self.moments), self.people[who]
        seen: Any
        try:
            match dice.choice(["state", "bond", "page"]):
                case "state":
                    video = dice.randrange(len(self.videos))
                    seen = (who, video, await self.state(who, video, at=at))
                    what = "state"
                case "bond":
                    whom = dice.choice([one for one in range(len(self.people)) if one != who])
                    seen, what = (who, whom, await self.relation(who, whom, at=at)), "bond"
                case _:
                    video = dice.randrange(len(self.videos))
                    order = dice.choice([comment_pb.COMMENT_ORDER_NEWEST, comment_pb.COMMENT_ORDER_OLDEST, comment_pb.COMMENT_ORDER_TOP])
                    seen, what = (who, await self.comments(user_id, video, order=order, at=at)), "page"
        except RpcFailed as failed:
            if failed.code not in AGAIN:
                raise
            return
        self.looks.append((begun, next(self.moments), what, seen))

    async def state(self, who: int, video: int, *, at: int = 0) -> dict[str, bool]:
        """What a person did with a video."""
        request = engagement_pb.BatchGetViewerStateRequest(video_ids=[self.videos[video]])
        stub = self.place.stub(EngagementServiceStub, self.people[who], at=at)
        state = (await stub.BatchGetViewerState(request, timeout=self.patience_s)).states[0]
        return {kind: getattr(state, kind) for kind in KINDS}

    async def relation(self, who: int, whom: int, *, at: int = 0) -> graph_pb.Relationship:
        """What stands between two people, from the end of the first, as services that decide by it are told."""
        stub = self.place.stub(GraphServiceStub, self.people[who], at=at, caller="feed")
        request = graph_pb.BatchGetRelationshipsRequest(user_ids=[self.people[whom]])
        return (await stub.BatchGetRelationships(request, timeout=self.patience_s)).relationships[0]

    async def comments(self, user_id: int, video: int, *, order: int, at: int = 0) -> list[comment_pb.CommentNode]:
        """All comments of a video as a person sees them, 0 for nobody."""
        found: list[comment_pb.CommentNode] = []
        token = ""
        stub = self.place.stub(CommentServiceStub, user_id, at=at)
        while True:
            permit = self.place.permit(user_id, self.videos[video], self.people[video], ALL, at=at)
            request = comment_pb.ListCommentsRequest(
                video_id=self.videos[video],
                permit=permit,
                order=comment_pb.CommentOrder.ValueType(order),
                page_size=50,
                page_token=token,
            )
            page = await stub.ListComments(request, timeout=self.patience_s)
            found += page.comments
            token = page.next_page_token
            if not token:
                return found
