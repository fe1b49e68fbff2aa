"""Everything that a crowd can ask in the end, and whether it is what its acts allow: bonds, lists, counts, comments and inboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import graph_service_pb2 as graph_pb
from clipmesh.social.v1 import notification_service_pb2 as notification_pb
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.social.v1.notification_service_pb2_grpc import NotificationServiceStub

from tests.service.social.comment_histories import Model as CommentModel
from tests.service.social.comment_histories import Spoken, shape
from tests.service.social.crowd_acts import Doing, Said
from tests.service.social.crowd_model import Bond, Standing, Told, flat
from tests.service.social.graph_world import FOLLOWING, REQUESTED

ORDERS = (comment_pb.COMMENT_ORDER_NEWEST, comment_pb.COMMENT_ORDER_OLDEST, comment_pb.COMMENT_ORDER_TOP)
GRAPH_LISTS = {
    "followers": ("ListFollowers", True),
    "following": ("ListFollowing", True),
    "requests": ("ListFollowRequests", False),
    "blocked": ("ListBlocked", False),
}
NOBODY = -1


@dataclass(slots=True)
class Seen:
    """What is asked and answered when all is quiet."""

    bonds: dict[tuple[int, int], Bond] = field(default_factory=dict)
    lists: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    graph_counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    states: dict[tuple[int, int], dict[str, bool]] = field(default_factory=dict)
    listed: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    counters: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Likes, saves and comments."""
    trees: dict[tuple[int, int, int], list[Any]] = field(default_factory=dict)
    """By viewer, video and order; NOBODY is nobody signed in."""
    held: dict[int, list[int]] = field(default_factory=dict)
    inboxes: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    """(kind, video, comment, actors, count, unread)."""
    unread: dict[int, int] = field(default_factory=dict)


async def look(doing: Doing) -> Seen:
    """Ask everything."""
    seen = Seen()
    people = range(len(doing.people))
    await asyncio.gather(*(_look_at(doing, seen, who) for who in people), *(_look_at_video(doing, seen, video) for video in people))
    return seen


def differences(one: Seen, other: Seen) -> dict[str, Any]:
    """What two looks do not share."""
    found: dict[str, Any] = {}
    for part in fields(Seen):
        before, after = getattr(one, part.name), getattr(other, part.name)
        found |= {f"{part.name} {key}": (before[key], after.get(key)) for key in before if before[key] != after.get(key)}
    return found


async def _look_at(doing: Doing, seen: Seen, who: int) -> None:
    place, user_id, timeout = doing.place, doing.people[who], doing.patience_s
    numbers = {one: number for number, one in enumerate(doing.people)}
    for other in range(len(doing.people)):
        if other > who:
            there, back = await doing.relation(who, other), await doing.relation(other, who)
            assert (there.follow, there.followed_by, there.blocks, there.blocked_by) == (
                back.followed_by,
                back.follow,
                back.blocked_by,
                back.blocks,
            )
            seen.bonds[who, other] = (there.follow, there.followed_by, there.blocks, there.blocked_by)
    graph = place.stub(GraphServiceStub, user_id)
    for name, (method, of_somebody) in GRAPH_LISTS.items():
        fields = {"user_id": user_id} if of_somebody else {}
        page = await getattr(graph, method)(getattr(graph_pb, f"{method}Request")(page_size=50, **fields), timeout=timeout)
        seen.lists[who, name] = sorted(numbers[one.user_id] for one in page.people)
    counts = (await graph.BatchGetGraphCounts(graph_pb.BatchGetGraphCountsRequest(user_ids=[user_id]), timeout=timeout)).counts[0]
    seen.graph_counts[who] = (counts.followers, counts.following)
    videos = {one: number for number, one in enumerate(doing.videos)}
    for video in videos.values():
        seen.states[who, video] = await doing.state(who, video)
    engagement = place.stub(EngagementServiceStub, user_id)
    liked = (await engagement.ListLiked(engagement_pb.ListLikedRequest(page_size=50), timeout=timeout)).videos
    saved = (await engagement.ListSaved(engagement_pb.ListSavedRequest(page_size=50), timeout=timeout)).videos
    seen.listed[who, "liked"] = sorted(videos[one.video_id] for one in liked)
    seen.listed[who, "saved"] = sorted(videos[one.video_id] for one in saved)
    for video in videos.values():
        for order in ORDERS:
            seen.trees[who, video, order] = list(await doing.comments(user_id, video, order=order))
    comments = place.stub(CommentServiceStub, user_id)
    held = await comments.ListHeldComments(comment_pb.ListHeldCommentsRequest(page_size=100), timeout=timeout)
    seen.held[who] = sorted(node.comment.comment_id for node in held.comments)
    inbox = place.stub(NotificationServiceStub, user_id)
    page = await inbox.ListNotifications(notification_pb.ListNotificationsRequest(page_size=100), timeout=timeout)
    seen.inboxes[who] = sorted(
        (
            notification_pb.NotificationKind.Name(one.kind).removeprefix("NOTIFICATION_KIND_"),
            videos.get(one.video_id, NOBODY),
            one.comment_id,
            tuple(sorted(numbers[actor] for actor in one.actor_ids)),
            one.count,
            one.unread,
        )
        for one in page.notifications
    )
    seen.unread[who] = page.unread_count


async def _look_at_video(doing: Doing, seen: Seen, video: int) -> None:
    stub = doing.place.stub(EngagementServiceStub)
    request = engagement_pb.BatchGetCountersRequest(video_ids=[doing.videos[video]])
    counters = (await stub.BatchGetCounters(request, timeout=doing.patience_s)).counters[0]
    seen.counters[video] = (counters.likes, counters.saves, counters.comments)
    for order in ORDERS:
        seen.trees[NOBODY, video, order] = list(await doing.comments(0, video, order=order))


@dataclass(slots=True)
class Check:
    """One crowd's end beside what it may be."""

    doing: Doing
    told: Told
    seen: Seen
    standing: dict[int, Standing] = field(default_factory=dict)
    """Of each comment, by id."""
    spoken: dict[int, Spoken] = field(default_factory=dict)
    likes: dict[int, set[int]] = field(default_factory=dict)
    """Who likes a comment that is shown with its text."""
    likers: dict[int, set[int]] = field(default_factory=dict)
    """The same, tombstones included."""
    unsure: int = 0
    """Comments that nobody was told of, or whose state nobody can see."""

    def run(self, *, inboxes: bool) -> None:
        """Raises AssertionError for the first thing that nothing explains."""
        self.told.check_refusals()
        self._bonds()
        self._acts()
        self._comments()
        if inboxes:
            self._inboxes()

    # ── graph ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _bonds(self) -> None:
        for pair, bond in self.seen.bonds.items():
            allowed = self.told.bond(*pair)
            assert bond in allowed, (pair, bond, allowed)
        for who in range(len(self.doing.people)):
            expected = {
                "followers": [other for other in self._others(who) if self._follow(other, who) == FOLLOWING],
                "following": [other for other in self._others(who) if self._follow(who, other) == FOLLOWING],
                "requests": [other for other in self._others(who) if self._follow(other, who) == REQUESTED],
                "blocked": [other for other in self._others(who) if self._blocks(who, other)],
            }
            for name, others in expected.items():
                assert self.seen.lists[who, name] == others, (who, name)
            assert self.seen.graph_counts[who] == (len(expected["followers"]), len(expected["following"])), who

    def _others(self, who: int) -> list[int]:
        return [other for other in range(len(self.doing.people)) if other != who]

    def _follow(self, who: int, whom: int) -> int:
        return self.seen.bonds[min(who, whom), max(who, whom)][0 if who < whom else 1]

    def _blocks(self, who: int, whom: int) -> bool:
        _, _, low, high = self.seen.bonds[min(who, whom), max(who, whom)]
        return low if who < whom else high

    def _parted(self, one: int, other: int) -> bool:
        return one != other and (self._blocks(one, other) or self._blocks(other, one))

    # ── likes and saves ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _acts(self) -> None:
        people, videos = range(len(self.doing.people)), range(len(self.doing.videos))
        for (who, video), state in self.seen.states.items():
            for kind, active in state.items():
                assert active in self.told.act(who, video, kind), (who, video, kind, active)
        for who in people:
            for kind in ("liked", "saved"):
                assert self.seen.listed[who, kind] == [video for video in videos if self.seen.states[who, video][kind]], (who, kind)
        for video in videos:
            counted = [sum(self.seen.states[who, video][kind] for who in people) for kind in ("liked", "saved")]
            assert list(self.seen.counters[video][:2]) == counted, (video, self.seen.counters[video], counted)

    # ── comments ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _comments(self) -> None:
        shown = {one.comment_id: one for video in range(len(self.doing.videos)) for one in self._shown(video)}
        self._find_untold(shown)
        possible = {said.comment_id: self.told.comment(said) for said in self.doing.said}
        for said in self.doing.said:
            assert possible[said.comment_id], said
            seen = shown.get(said.comment_id)
            if seen is not None:
                state: Standing = ("published", seen.text) if seen.text else ("removed", "")
                assert state in possible[said.comment_id], (said, state, possible[said.comment_id])
                self.standing[said.comment_id] = state
                likers = self._likers(said, seen.likes)
                if seen.text:
                    self.likes[said.comment_id] = likers
                self.likers[said.comment_id] = likers
        for said in sorted(self.doing.said, key=lambda one: one.comment_id):
            if said.comment_id not in shown:
                self.standing[said.comment_id] = self._unseen(said, possible[said.comment_id])
        self._speak()
        self._trees()

    def _shown(self, video: int) -> list[comment_pb.Comment]:
        return flat(self.seen.trees[NOBODY, video, comment_pb.COMMENT_ORDER_OLDEST])

    def _find_untold(self, shown: dict[int, comment_pb.Comment]) -> None:
        """Comments that were written although their writer was never told: each is one that somebody asked for, once."""
        known = {said.comment_id for said in self.doing.said}
        lost = {one.text: one for one in self.doing.asked if one.word == "PostComment" and one.may_be_lost and one.begun}
        self.unsure += len(lost)
        for comment in shown.values():
            if comment.comment_id not in known:
                asked = lost.pop(comment.text)
                said = Said(asked.who, asked.video, asked.text, asked.said, comment.comment_id, comment.posted_at_ms)
                self.doing.said.append(said)

    def _likers(self, said: Said, count: int) -> set[int]:
        surely, maybe = set(), set()
        for who in range(len(self.doing.people)):
            possible = self.told.comment_like(who, said)
            assert possible, (who, said)
            if possible == {True}:
                surely.add(who)
            elif True in possible:
                maybe.add(who)
        assert len(surely) <= count <= len(surely) + len(maybe), (said, count, surely, maybe)
        return surely | set(sorted(maybe)[: count - len(surely)])

    def _unseen(self, said: Said, possible: set[Standing]) -> Standing:
        """How a comment stands that is shown to nobody: not published, unless something above it is gone; a tombstone that keeps nothing."""
        above = said.answers
        hidden_above = any(self.standing[one.comment_id][0] in {"held", "hidden"} for one in (above.chain if above else []))
        left = possible if hidden_above else {one for one in possible if one[0] != "published"}
        assert left, (said, possible)
        held = said.comment_id in self.seen.held[said.video]
        fitting = {one for one in left if (one[0] == "held") == held} or left
        self.unsure += len({one[0] == "published" for one in fitting}) > 1
        return sorted(fitting)[0]

    def _speak(self) -> None:
        """The comments as the model of one area tells them."""
        for said in sorted(self.doing.said, key=lambda one: one.comment_id):
            answered = self.spoken[said.answers.comment_id] if said.answers else None
            above = answered.above if answered is not None and len(answered.chain) == 5 else answered
            state, text = self.standing[said.comment_id]
            one = Spoken(said.author, above, text, state, said.comment_id, said.posted_at_ms, self.likers.get(said.comment_id, set()))
            self.spoken[said.comment_id] = one
            if above is not None:
                above.below.append(one)

    def _trees(self) -> None:
        people = range(len(self.doing.people))
        blocks = {(one, other) for one in people for other in people if one != other and self._blocks(one, other)}
        model = CommentModel(blocks=blocks)
        for video in range(len(self.doing.videos)):
            roots = [one for said in self.doing.said if said.video == video for one in [self.spoken[said.comment_id]] if one.above is None]
            orders = {
                comment_pb.COMMENT_ORDER_NEWEST: sorted(roots, key=lambda one: -one.comment_id),
                comment_pb.COMMENT_ORDER_OLDEST: sorted(roots, key=lambda one: one.comment_id),
                comment_pb.COMMENT_ORDER_TOP: sorted(roots, key=lambda one: (-one.score, -one.comment_id)),
            }
            for viewer in (NOBODY, *people):
                for order, said in orders.items():
                    found = shape(self.seen.trees[viewer, video, order])
                    expected = model.tree(viewer, said)
                    assert found == expected, (viewer, video, order, found, expected)
            published = [
                one for said in self.doing.said if said.video == video if (one := self.spoken[said.comment_id]).state == "published"
            ]
            assert 0 <= self.seen.counters[video][2] - len(published) <= self.unsure, (video, self.seen.counters[video], len(published))
            held = {
                said.comment_id
                for said in self.doing.said
                if said.video == video and self.standing[said.comment_id][0] == "held" and not self._parted(video, said.author)
            }
            assert held <= set(self.seen.held[video]), (video, held)
            assert len(set(self.seen.held[video]) - held) <= self.unsure, (video, held)

    # ── inboxes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _inboxes(self) -> None:
        for who, inbox in self.seen.inboxes.items():
            assert self.seen.unread[who] == sum(entry[-1] for entry in inbox) == len(inbox), (who, self.seen.unread[who], inbox)
            places = [entry[:3] for entry in inbox]
            assert len(places) == len(set(places)), (who, places)
            found = {entry[:3]: (set(entry[3]), entry[4]) for entry in inbox}
            surely = self._told_to(who)
            for place, actors in surely.items():
                clean = {one for one in actors if not self.told.ever_parted(who, one)}
                shown, count = found.get(place, (set(), 0))
                assert clean <= shown, (who, place, clean, shown)
                assert count >= sum(actors[one] for one in clean), (who, place)
            for place, (shown, count) in found.items():
                if place[0] == "COMMENT_LIKE" and place[2] not in self.likes:
                    # Nobody can see how many like what is not shown.
                    continue
                actors = surely.get(place, {})
                assert shown <= set(actors), (who, place, shown, actors)
                assert not any(self._parted(who, one) for one in shown), (who, place, shown)
                assert len(shown) <= count <= sum(actors.values()), (who, place, count, actors)

    def _told_to(self, who: int) -> dict[tuple[str, int, int], dict[int, int]]:
        """What somebody is told, by place: whose acts, and how many."""
        found: dict[tuple[str, int, int], dict[int, int]] = {}

        def tell(kind: str, video: int, comment_id: int, actor: int) -> None:
            if actor != who:
                acts = found.setdefault((kind, video, comment_id), {})
                acts[actor] = acts.get(actor, 0) + 1

        for other in self._others(who):
            if self.seen.states[other, who]["liked"]:
                tell("LIKE", who, 0, other)
            private = who in self.told.private
            if self._follow(other, who) == REQUESTED:
                tell("FOLLOW_REQUEST", NOBODY, 0, other)
            if self._follow(other, who) == FOLLOWING and not private:
                tell("FOLLOW", NOBODY, 0, other)
            if self._follow(who, other) == FOLLOWING and other in self.told.private:
                tell("FOLLOW_APPROVED", NOBODY, 0, other)
        for said in self.doing.said:
            if self.standing[said.comment_id][0] == "published":
                answered = said.answers.author if said.answers else NOBODY
                if answered == who:
                    tell("REPLY", said.video, said.answers.comment_id if said.answers else 0, said.author)
                elif said.video == who:
                    tell("COMMENT", said.video, 0, said.author)
            if said.author == who:
                for liker in self.likes.get(said.comment_id, ()):
                    tell("COMMENT_LIKE", said.video, said.comment_id, liker)
        return found


def check(doing: Doing, private: Sequence[int], seen: Seen, *, inboxes: bool = True) -> None:
    """Raises AssertionError for the first thing that nothing explains. Inboxes are of one day: not those of a crowd that was up at midnight."""
    Check(doing, Told(doing, private), seen).run(inboxes=inboxes)
