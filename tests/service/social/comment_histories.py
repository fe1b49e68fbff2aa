"""Random histories of comments by several people and instances, with lost answers, repeats, rewound consumers and clocks apart, beside a simple model."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import events_pb2
from hypothesis import strategies as st

from mesh.client import RpcFailed
from mesh.errors import Aborted, NotFound, Unavailable
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable
from mesh.stores.tables.requests import KEPT_MS
from svc_social.comments import rules
from svc_social.comments.tables import Comment, CommentState
from svc_social.graph.rules import Act
from tests.service.social.commenting import NEWEST, OLDEST, TOP, World, together

PEOPLE, INSTANCES = 3, 3
AHEAD_MS = (0, 90_000, -45_000)
"""Of the clocks of the instances."""
_histories = itertools.count(1)

_who, _which, _at = st.integers(0, PEOPLE - 1), st.integers(0, 30), st.integers(0, INSTANCES - 1)
_faults = st.lists(st.sampled_from(["", "refused", "lost", "silent"]), max_size=2)
_text = st.sampled_from(["plain", "plain", "plain", "rude", "doubtful"])
_post = st.tuples(st.just("post"), _who, st.one_of(st.just(-1), _which, _which), _text, _at, _faults)
_on = st.tuples(st.sampled_from(["delete", "edit", "hide", "approve", "like", "like", "unlike"]), _who, _which, _text, _at, _faults)
_people = st.tuples(st.sampled_from([Act.BLOCK, Act.UNBLOCK]), _who, _who)
_again = st.tuples(st.just("again"), _which, _at)
_heard = st.tuples(st.just("heard"), _at, st.integers(0, 2**16), st.integers(-1, 8))
_time = st.tuples(st.just("time"), st.sampled_from([0, 1, 3_600_000, 40 * 86_400_000]))
STEPS = st.one_of(_post, _post, _post, _on, _on, _on, _people, _again, _heard, _time)


class Died(Exception):
    """A consumer's process ends here, as far as the test is concerned."""


@dataclass
class Frail:
    """Tables whose next writes of comments, and next writes of consumers, go as told.

    Comments: `refused` is not written and says so, `lost` is written and says it was not, `silent` is written and says nothing. Consumers: the
    write whose number comes to 0 ends them.
    """

    tables: Tables
    faults: list[str] = field(default_factory=list)
    dies_after: int = -1
    settled: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> Any:
        self._step()
        fault = self.faults.pop(0) if self.faults and isinstance(changes[0].row, Comment) else ""
        if fault == "refused":
            raise TablesUnavailable("told to")
        written = await self.tables.commit(*changes, events=events)
        if fault == "lost":
            raise TablesUnavailable("written, and the process died")
        if fault == "silent":
            token = f"silent-{len(self.settled)}"
            self.settled.add(token)
            raise OutcomeUnknown(token)
        return written

    async def settle(self, token: str) -> bool:
        return token in self.settled or await self.tables.settle(token)

    async def put(self, *rows: Any, events: Sequence[Any] = ()) -> None:
        self._step()
        await self.tables.put(*rows, events=events)

    async def delete(self, *rows: Any, events: Sequence[Any] = ()) -> None:
        self._step()
        await self.tables.delete(*rows, events=events)

    def _step(self) -> None:
        if self.dies_after == 0:
            self.dies_after = -1
            raise Died
        self.dies_after -= self.dies_after > 0


class Refused(Exception):
    """The model refuses; its only argument is the reason."""


@dataclass
class Spoken:
    """A comment of the model."""

    author: int
    above: Spoken | None
    text: str
    state: str
    comment_id: int = 0
    posted_at_ms: int = 0
    likes: set[int] = field(default_factory=set)
    below: list[Spoken] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        return self.state == "published" or (self.state == "removed" and any(one.stands for one in self.below))

    @property
    def chain(self) -> list[Spoken]:
        return [*(self.above.chain if self.above else []), self]

    @property
    def score(self) -> int:
        if "rude" in self.text or "doubtful" in self.text:
            return 0
        points = max(1, len(self.likes) + 2 * sum(one.stands for one in self.below))
        return 1 + int(100 * math.log10(points)) + 100 * (self.posted_at_ms - 1_704_067_200_000) // (3 * 86_400_000)


@dataclass
class Model:
    """Comments as plain objects, blocks as pairs."""

    said: list[Spoken] = field(default_factory=list)
    blocks: set[tuple[int, int]] = field(default_factory=set)

    def parted(self, one: int, other: int) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def is_seen(self, who: int, spoken: Spoken) -> bool:
        return all(one.stands and (one.state == "removed" or not self.parted(who, one.author)) for one in spoken.chain)

    def post(self, who: int, answered: Spoken | None, text: str) -> Spoken:
        if answered is not None and (answered.state != "published" or not self.is_seen(who, answered)):
            raise Refused("COMMENT_NOT_FOUND")
        above = answered.above if answered is not None and len(answered.chain) == 5 else answered
        return Spoken(who, above, text, "held" if "doubtful" in text else "published")

    def on(self, word: str, who: int, spoken: Spoken, text: str) -> None:
        if word == "unlike":
            spoken.likes.discard(who)
            return
        own = word not in {"delete", "edit"} or spoken.author == who
        if spoken.state == "removed" or not own or (word == "like" and (spoken.state != "published" or not self.is_seen(who, spoken))):
            raise Refused("COMMENT_NOT_FOUND")
        if word == "like":
            spoken.likes.add(who)
        elif word == "delete":
            spoken.state, spoken.text = "removed", ""
        elif word == "edit":
            spoken.text = text
            if spoken.state == "published" and "doubtful" in text:
                spoken.state = "held"
        else:
            spoken.state = "hidden" if word == "hide" else "published"

    def tree(self, who: int, spoken: Sequence[Spoken]) -> list[Any]:
        found = []
        for one in spoken:
            if not one.stands or (one.state != "removed" and self.parted(who, one.author)):
                continue
            below = self.tree(who, sorted(one.below, key=lambda child: child.comment_id))
            if one.state == "published" or below:
                found.append((one.comment_id, one.text, len(one.likes), below))
        return found


@dataclass
class Life:
    """A history as it happens, in the service and in the model."""

    world: World
    frail: Frail
    people: list[int]
    video_id: int
    model: Model = field(default_factory=Model)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    asked_at_ms: dict[str, int] = field(default_factory=dict)
    passed_ms: int = 0
    applied: set[str] = field(default_factory=set)

    @classmethod
    async def begin(cls, world: World, frail: Frail) -> Life:
        """New people, and a video of their own."""
        number = next(_histories)
        life = cls(world, frail, [10**15 + number * 100 + one for one in range(PEOPLE)], 900_000_000 + number)
        await together(*(world.person(user_id) for user_id in life.people))
        return life

    async def live(self, steps: Sequence[tuple[Any, ...]]) -> None:
        """One thing after the other."""
        for step in steps:
            match step:
                case ("again", which, at) if self.asked:
                    asked = self.asked[which % len(self.asked)]
                    # Later than that a repeat is a request that nobody made before.
                    if self.passed_ms - self.asked_at_ms[asked[0]] < KEPT_MS - 2 * max(map(abs, AHEAD_MS)):
                        await self.ask(*asked, at=at, faults=[])
                case ("heard", at, seed, dies_after):
                    await self.hear(at, seed, dies_after)
                case ("time", ms):
                    self.world.advance(ms)
                    self.passed_ms += ms
                case (Act() as act, who, whom) if who != whom:
                    await self.world.do(act, self.people[who], self.people[whom])
                    (self.model.blocks.add if act is Act.BLOCK else self.model.blocks.discard)((who, whom))
                case ("post", who, which, text, at, faults):
                    answered = self.model.said[which % len(self.model.said)] if which >= 0 and self.model.said else None
                    await self.new("post", who, answered, text, at=at, faults=faults)
                case (str(word), who, which, text, at, faults) if self.model.said:
                    await self.new(word, who, self.model.said[which % len(self.model.said)], text, at=at, faults=faults)

    async def new(self, word: str, who: int, spoken: Spoken | None, text: str, *, at: int, faults: list[str]) -> None:
        """A request that nobody made before."""
        self.asked.append((f"{self.video_id}-{len(self.asked)}", word, who, spoken, f"{text} {len(self.asked)}"))
        self.asked_at_ms[self.asked[-1][0]] = self.passed_ms
        await self.ask(*self.asked[-1], at=at, faults=faults)

    async def ask(self, request_id: str, word: str, who: int, spoken: Spoken | None, text: str, *, at: int, faults: list[str]) -> None:
        """Ask until there is an answer, as a client does."""
        expected, made = "anything", None
        if request_id not in self.applied:
            expected = ""
            try:
                if word == "post":
                    made = self.model.post(who, spoken, text)
                else:
                    assert spoken is not None
                    self.model.on(word, who, spoken, text)
                self.applied.add(request_id)
            except Refused as refused:
                expected = str(refused)
        self.frail.faults = list(faults)
        found = ""
        while True:
            try:
                answer = await self._call(request_id, word, who, spoken, text, at=at)
            except Unavailable:
                continue
            except RpcFailed as failed:
                found = failed.reason
            break
        self.frail.faults = []
        assert expected in {found, "anything"}, (word, expected, found)
        if made is not None and not found:
            made.comment_id, made.posted_at_ms = answer.comment_id, answer.posted_at_ms
            self.model.said.append(made)
            if made.above is not None:
                made.above.below.append(made)
            assert spoken is None or answer.comment_id > spoken.comment_id

    async def _call(self, request_id: str, word: str, who: int, spoken: Spoken | None, text: str, *, at: int) -> pb.Comment:
        world, user_id = self.world, self.people[who]
        comment_id = spoken.comment_id if spoken is not None else 0
        if word == "post":
            return await world.post(user_id, text, answers=comment_id, video_id=self.video_id, request_id=request_id, at=at)
        if word == "edit":
            return await world.edit(user_id, comment_id, text, request_id=request_id, at=at)
        if word == "delete":
            await world.delete(user_id, comment_id, request_id=request_id, at=at)
        elif word == "like":
            await world.like(user_id, comment_id, video_id=self.video_id, request_id=request_id, at=at)
        elif word == "unlike":
            await world.unlike(user_id, comment_id, request_id=request_id, at=at)
        else:
            await world.creator(word.capitalize(), comment_id, request_id=request_id, at=at)
        return pb.Comment()

    async def events(self) -> list[Any]:
        """What was said of this history's video, in the order of the relay."""
        mine = {one.comment_id for one in self.model.said}
        return [event for event in await self.world.events(*NAMES) if int(event.key.partition(":")[0]) in mine]

    async def hear(self, at: int, seed: int, dies_after: int) -> None:
        """Some events come, some twice, in any order, and the consumer may die in the middle and get all of them again."""
        dice = random.Random(seed)
        some = [event for event in await self.events() for _ in range(dice.choice([0, 1, 1, 2]))]
        dice.shuffle(some)
        self.frail.dies_after = dies_after
        while True:
            try:
                await self.world.hear(some, at=at)
            except Died:
                continue
            break
        self.frail.dies_after = -1

    async def check(self) -> None:
        """After everything was heard once more, as after a rewind, all is as the model says."""
        await self.world.hear(await self.events())
        roots = [one for one in self.model.said if one.above is None]
        orders = {
            NEWEST: sorted(roots, key=lambda one: -one.comment_id),
            OLDEST: sorted(roots, key=lambda one: one.comment_id),
            TOP: sorted(roots, key=lambda one: (-one.score, -one.comment_id)),
        }
        for who, user_id in enumerate(self.people):
            for order, said in orders.items():
                nodes = await self.world.all(user_id, video_id=self.video_id, order=order, page_size=2)
                assert shape(nodes) == self.model.tree(who, said)
        assert await self.world.comment_count(self.video_id) == sum(one.state == "published" for one in self.model.said)
        waiting = {one.comment_id for one in self.model.said if one.state == "held"}
        assert waiting <= {one.comment_id for one in await self.world.held()}


NAMES = tuple(
    one.DESCRIPTOR.name
    for one in (
        events_pb2.CommentPosted,
        events_pb2.CommentEdited,
        events_pb2.CommentModerated,
        events_pb2.CommentRemoved,
        events_pb2.CommentLiked,
    )
)


def shape(nodes: Sequence[pb.CommentNode]) -> list[Any]:
    """Nodes as the model tells them."""
    return [(node.comment.comment_id, node.comment.text, node.comment.likes, shape(node.children)) for node in nodes]


async def live(world: World, frail: Frail, steps: Sequence[tuple[Any, ...]]) -> None:
    """Live a history and compare everything in the end."""
    life = await Life.begin(world, frail)
    await life.live(steps)
    await life.check()


async def read_while_written(world: World, *, writers: int, posts: int, readers: int) -> int:
    """Writers answer one another through all instances while readers read; how many pages were read. Raises AssertionError for a page in which
    something stands before what it answers."""
    video_id = 800_000_000 + next(_histories)
    await together(*(world.person(10**16 + video_id * 10 + one) for one in range(writers)))
    known: list[int] = []
    done = asyncio.Event()
    pages = 0

    async def write(number: int) -> None:
        dice = random.Random(number)
        for _ in range(posts):
            answers = dice.choice(known[-6:]) if known and dice.random() < 0.85 else 0
            at = dice.randrange(len(world.instances))
            posted = await world.post(10**16 + video_id * 10 + number, answers=answers, video_id=video_id, at=at)
            known.append(posted.comment_id)

    def check(node: pb.CommentNode, above: frozenset[int]) -> set[int]:
        comment = node.comment
        assert comment.parent_id in above or (comment.parent_id == 0 and comment.level == 1)
        shown = {comment.comment_id}
        for child in node.children:
            assert child.comment.answers_id in above | shown | {comment.comment_id}
            assert child.comment.parent_id == comment.comment_id
            shown |= check(child, above | {comment.comment_id} | shown)
        return shown

    async def read(number: int) -> None:
        nonlocal pages
        dice = random.Random(-number)
        while not done.is_set():
            at = dice.randrange(len(world.instances))
            for node in await world.all(video_id=video_id, order=dice.choice([NEWEST, OLDEST]), page_size=20, at=at):
                seen = check(node, frozenset())
                if node.next_children_token:
                    rest = await world.replies(
                        node.comment.comment_id, video_id=video_id, page_token=node.next_children_token, at=at, levels=1
                    )
                    assert all(
                        one.comment.answers_id in seen | {other.comment.comment_id for other in rest.replies} for one in rest.replies
                    )
                    assert not seen & {one.comment.comment_id for one in rest.replies}
            pages += 1
            if known:
                path = await world.path(dice.choice(known), video_id=video_id, at=at)
                assert [one.parent_id for one in path] == [0, *(one.comment_id for one in path[:-1])]

    async def write_all() -> None:
        await together(*(write(number) for number in range(writers)))
        done.set()

    await together(write_all(), *(read(number) for number in range(1, readers + 1)))
    nodes = await world.all(video_id=video_id, page_size=50)
    assert {one for node in nodes for one in check(node, frozenset())} <= set(known)
    return pages


async def clash(world: World, *, clients: int, acts: int, seed: int) -> None:
    """Clients act on the same threads at once, through all instances, and repeat what they asked; then every row agrees with every other."""
    video_id = 850_000_000 + next(_histories)
    people = [10**17 + video_id * 10 + one for one in range(clients)]
    await together(*(world.person(user_id) for user_id in people))
    known = [(await world.post(people[0], video_id=video_id)).comment_id]
    liked: dict[tuple[int, int], bool] = {}

    async def one(number: int) -> None:
        dice, user_id = random.Random(seed * 1_000 + number), people[number]
        for step in range(acts):
            word = dice.choice(["post", "post", "post", "delete", "edit", "Hide", "Approve", "like", "like", "unlike"])
            comment_id, at, request_id = dice.choice(known), dice.randrange(len(world.instances)), f"{video_id}-{number}-{step}"

            async def act(
                word: str = word, comment_id: int = comment_id, at: int = at, request_id: str = request_id, text: str = f"{number} {step}"
            ) -> None:
                if word == "post":
                    made = await world.post(user_id, text, answers=comment_id, video_id=video_id, at=at, request_id=request_id)
                    known.append(made.comment_id)
                elif word == "delete":
                    await world.delete(user_id, comment_id, at=at, request_id=request_id)
                elif word == "edit":
                    await world.edit(user_id, comment_id, f"doubtful {text}", at=at, request_id=request_id)
                elif word in {"like", "unlike"}:
                    say = world.like if word == "like" else world.unlike
                    where: dict[str, Any] = {"video_id": video_id} if word == "like" else {}
                    liked[comment_id, user_id] = (await say(user_id, comment_id, at=at, request_id=request_id, **where)).liked
                else:
                    await world.creator(word, comment_id, at=at, request_id=request_id)

            for _ in range(dice.choice([1, 1, 2])):
                try:
                    await act()
                except (NotFound, Aborted):
                    break

    await together(*(one(number) for number in range(clients)))
    await world.settle(at=seed % len(world.instances))
    rows = [row for row in (await world.tables.walk(Comment, limit=1_000)).rows if row.video_id == video_id and not row.revision]
    assert {row.comment_id for row in rows} == set(known)
    for row in rows:
        below = sorted(one.comment_id for one in rows if one.parent_id == row.comment_id and rules.stands(one))
        assert (row.child_count, list(row.children)) == (len(below), below[:10])
        assert row.answers_id < row.comment_id
    standing = {row.comment_id for row in rows if rules.stands(row) and not row.parent_id}
    for order in (NEWEST, OLDEST, TOP):
        nodes = await world.all(video_id=video_id, order=order, page_size=3)
        assert {node.comment.comment_id for node in nodes} == standing
        assert all(node.comment.likes == sum(liked.get((node.comment.comment_id, who), False) for who in people) for node in nodes)
    assert await world.comment_count(video_id) == sum(row.state is CommentState.PUBLISHED for row in rows)
    assert {row.comment_id for row in rows if row.state is CommentState.HELD} <= {one.comment_id for one in await world.held()}
