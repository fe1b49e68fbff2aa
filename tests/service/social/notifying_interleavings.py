"""One history of three people and a video, heard by the consumers in many orders: each time by people of their own, who all end alike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import events_pb2
from clipmesh.video.v1 import events_pb2 as video_events
from google.protobuf.message import Message

from svc_social.identity.tables import Account
from svc_social.notifications.convert import entry_to_proto
from tests.service.social.notifying import DAY_MS, REPOST, SHARE, World, word

HELD, REMOVED = comment_pb.COMMENT_STATE_HELD, comment_pb.COMMENT_STATE_REMOVED
_PEOPLE = frozenset(
    {
        "user_id",
        "creator_id",
        "low_id",
        "high_id",
        "author_id",
        "video_owner_id",
        "answered_author_id",
        "mentioned_ids",
        "comment_id",
        "answers_id",
    }
)

State = dict[int, list[tuple[str, int, list[int], str]]]


@dataclass
class Interleaved:
    """The history, and whose it was."""

    world: World
    ids: Sequence[int]
    events: Sequence[EventEnvelope]

    @classmethod
    async def begin(cls, world: World) -> Interleaved:
        """Write down what three people did within two days."""
        base = 2 * 10**15
        alice, bob, carla = ids = (base, base + 1, base + 2)
        first_ms = world.clock.now_ms()
        events = [
            world.followed(bob, alice, before=0, now=2, version=1),
            world.liked(bob, alice, version=101),
            world.liked(bob, alice, version=102, active=False, first_ms=first_ms),
            world.liked(carla, alice, version=103),
            world.liked(carla, alice, version=104, kind=SHARE),
            world.commented(bob, alice, comment_id=11),
            world.commented(carla, alice, comment_id=12, answers=(11, bob), mentions=[bob]),
            world.commented(carla, alice, comment_id=13, state=HELD),
            world.published(alice),
            world.judged(alice, rights_pb.VERDICT_KIND_REVIEW, version=1),
            world.judged(alice, rights_pb.VERDICT_KIND_ALLOW, version=2, decided_by=5),
            world.followed(carla, alice, before=0, now=1, version=1),
        ]
        posted_ms = world.clock.now_ms()
        world.clock.advance(DAY_MS)
        events += [
            world.liked(bob, alice, version=105, first_ms=first_ms),
            world.liked(bob, alice, version=106, kind=REPOST),
            world.liked(carla, alice, version=107, kind=REPOST),
            world.liked(carla, alice, version=108, kind=REPOST, active=False, first_ms=world.clock.now_ms()),
            world.commented(bob, alice, comment_id=11, version=2, state=REMOVED, posted_at_ms=posted_ms),
            world.commented(carla, alice, comment_id=13, version=2, posted_at_ms=posted_ms),
            world.followed(carla, alice, before=1, now=2, version=2, since_ms=posted_ms),
            world.event(
                events_pb2.RefreshTokenReused(session_id=77, user_id=alice, detected_at_ms=world.clock.now_ms()), key="77", version=2
            ),
        ]
        return cls(world, ids, events)

    async def run(self, times: int) -> None:
        """Each order of each repetition ends in the state of the order in which it happened."""
        await self._people(0)
        await self.world.hear(*self.events)
        expected = await self._state(0)
        assert {who: sorted(entry[:2] for entry in entries) for who, entries in expected.items()} == {
            0: [
                ("COMMENT", 2),
                ("FOLLOW", 1),
                ("LIKE", 2),
                ("REPOST", 1),
                ("SECURITY", 1),
                ("SHARE", 1),
                ("VERDICT", 1),
                ("VIDEO_READY", 1),
            ],
            1: [("REPLY", 1)],
            2: [("FOLLOW_APPROVED", 1)],
        }
        gate = asyncio.Semaphore(48)

        async def one(number: int) -> None:
            dice = random.Random(number)
            order = [event for event in self.events for _ in range(dice.choice([1, 1, 2]))]
            dice.shuffle(order)
            by = number * 1_000
            moved = [self._moved(event, by) for event in order]
            async with gate:
                await self._people(by)
                if number % 10 == 0:
                    await self.world.hear(*moved)
                else:
                    cuts = sorted(dice.sample(range(len(moved)), 2))
                    for part in (moved[: cuts[0]], moved[cuts[0] : cuts[1]], moved[cuts[1] :]):
                        await self.world.hear_together(part)
                assert await self._state(by) == expected

        await asyncio.gather(*(one(number) for number in range(1, times + 1)))

    async def _people(self, by: int) -> None:
        for user_id in self.ids:
            await self.world.tables.insert(Account(user_id=user_id + by, created_at_ms=1))

    def _moved(self, event: EventEnvelope, by: int) -> EventEnvelope:
        """The same event of other people."""
        message = _message(event)
        _move(message, by)
        moved = EventEnvelope()
        moved.CopyFrom(event)
        moved.payload = message.SerializeToString()
        return moved

    async def _state(self, by: int) -> State:
        """What stands in the inboxes, people by their number, without the order of what came at one moment."""
        numbers = {user_id + by: number for number, user_id in enumerate(self.ids)}
        found: State = {}
        for user_id, number in numbers.items():
            page = await self.world.notifications.inbox.page(user_id, page_size=100, page_token="")
            inbox = [entry_to_proto(one.entry, unread=one.unread) for one in page.shown]
            assert page.unread == len(inbox) == sum(one.unread for one in inbox)
            found[number] = sorted(
                (word(one.kind), one.count, [numbers[actor] for actor in one.actor_ids], f"{one.updated_at_ms} {one.detail}")
                for one in inbox
            )
        return found


def _message(event: EventEnvelope) -> Message:
    package, name = event.type.rsplit(".", 1)
    modules = {"clipmesh.social.v1": events_pb2, "clipmesh.video.v1": video_events, "clipmesh.rights.v1": rights_events}
    message: Message = getattr(modules[package], name).FromString(event.payload)
    return message


def _move(message: Message, by: int) -> None:
    """Move every person and comment; the videos stay, since an inbox has each place for itself."""
    for field, value in list(message.ListFields()):
        if field.message_type is not None:
            _move(value, by)
        elif field.name == "mentioned_ids":
            value[:] = [one + by for one in value]
        elif field.name in _PEOPLE:
            setattr(message, field.name, value + by)
