"""Where a group stands in a partition: what it committed, and the rewinds that were asked for since.

The offsets of a group with members can be changed by its members alone, so a rewind is a record in the control topic. A commit carries the number
of the latest rewind that it follows: one with a later number still has to be followed, by whoever reads next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.events.stream.kafka.admin import Admin, Committed
from mesh.events.stream.kafka.control import Control
from mesh.events.stream.kafka.names import Names, Place


@dataclass(frozen=True, slots=True)
class Note:
    """What is committed beside an offset."""

    control: str
    """Identity of the control topic that counts the rewinds."""
    topic: str
    """Identity of the topic that the offset counts in."""
    rewind: int
    """The latest rewind that was followed."""

    def __str__(self) -> str:
        return f"{self.control} {self.topic} {self.rewind}"

    @classmethod
    def parse(cls, text: str) -> Note | None:
        """None for a note that is not ours."""
        words = text.split(" ")
        return cls(words[0], words[1], int(words[2])) if len(words) == 3 and words[2].isdigit() else None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a group goes on in a partition."""

    offset: int
    note: Note


class Positions:
    """Positions of groups."""

    def __init__(self, *, admin: Admin, control: Control, names: Names) -> None:
        self._admin = admin
        self._control = control
        self._names = names

    async def of(self, group: str, places: Iterable[Place]) -> dict[Place, Position]:
        """Where a group goes on, one entry for each partition of a topic that there is. Raises StreamUnavailable."""
        places = list(places)
        state = await self._control.state()
        topics = await self._admin.topics(self._names.topic(place.topic) for place in places)
        places = [place for place in places if self._names.topic(place.topic) in topics]
        committed = await self._admin.committed(group, places)
        stands: dict[Place, int] = {}
        notes: dict[Place, Note] = {}
        moments: dict[Place, int] = {}
        for place in places:
            note = Note(state.id, topics[self._names.topic(place.topic)].id, 0)
            stood = _valid(committed[place], note)
            latest = state.latest(group=group, topic=place.topic)
            notes[place] = Note(note.control, note.topic, latest)
            if stood is None:
                continue
            offset, followed = stood
            pending = state.rewinds_after(followed, group=group, topic=place.topic)
            if not pending:
                stands[place] = offset
            elif (to_ms := min(rewind.to_ms for rewind in pending)) > 0:
                stands[place] = offset
                moments[place] = to_ms
        for place, offset in (await self._admin.at(moments)).items():
            # What the group never read stays unread, whatever moment is named.
            if offset >= 0:
                stands[place] = min(stands[place], offset)
        oldest = await self._admin.beginnings(place for place in places if place not in stands)
        return {place: Position(stands.get(place, oldest.get(place, 0)), notes[place]) for place in places}


def _valid(committed: Committed, present: Note) -> tuple[int, int] | None:
    """Offset and the last rewind that it follows, when the offset counts in the topic as it is now."""
    note = Note.parse(committed.note)
    if committed.offset < 0 or note is None or note.topic != present.topic:
        return None
    return committed.offset, note.rewind if note.control == present.control else 0
