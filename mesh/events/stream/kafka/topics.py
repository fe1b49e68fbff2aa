"""Topics: made when they are first used, each kind with its retention; refused when they are cut otherwise than set."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable
from typing import Final

from confluent_kafka.cimpl import NewTopic

from mesh.events.stream.kafka.admin import Admin, Topic
from mesh.events.stream.kafka.control import Control
from mesh.events.stream.kafka.names import Names
from mesh.events.stream.kafka.url import VARIABLE
from mesh.events.stream.settings import StreamSettings
from mesh.settings import InvalidSetting

_MINUTE_MS: Final = 60_000


class Kind(enum.Enum):
    """What a topic holds, which decides how long."""

    EVENTS = "events"
    HINTS = "hints"


class Topics:
    """The topics of one deployment."""

    def __init__(self, *, admin: Admin, control: Control, names: Names, settings: StreamSettings, replication: int) -> None:
        self._admin = admin
        self._control = control
        self._names = names
        self._settings = settings
        self._replication = replication
        self._ready: set[str] = set()
        self._making = asyncio.Lock()

    def forget(self) -> None:
        """Look anew before the next use."""
        self._ready.clear()

    async def find(self, topics: Iterable[str]) -> dict[str, Topic]:
        """Those that there are, by their name in the port. Raises StreamUnavailable, InvalidSetting."""
        wanted = {self._names.topic(topic): topic for topic in topics}
        found = {wanted[name]: topic for name, topic in (await self._admin.topics(wanted)).items()}
        for topic, known in found.items():
            if known.partitions != self._settings.partitions:
                raise InvalidSetting(
                    f"{VARIABLE}: topic {self._names.topic(topic)} has {known.partitions} partitions and {self._settings.partitions} are set; "
                    f"another number would tear the order of its keys: set partitions={known.partitions}, or another prefix="
                )
        return found

    async def ensure(self, topics: Iterable[str], kind: Kind) -> None:
        """Return when all are there. Raises StreamUnavailable, InvalidSetting."""
        missing = set(topics) - self._ready
        if not missing:
            return
        async with self._making:
            found = await self.find(missing)
            if new := missing - found.keys():
                await self._admin.create([self._new_topic(topic, kind) for topic in sorted(new)])
                found = await self._settled(missing)
            if kind is Kind.EVENTS:
                await self._note(found)
            self._ready |= missing

    async def _settled(self, topics: set[str]) -> dict[str, Topic]:
        """New topics are not known to every broker at once."""
        while True:
            if len(found := await self.find(topics)) == len(topics):
                return found
            await asyncio.sleep(0.05)

    async def note_losses(self) -> int:
        """Find out which topics of events came back without their contents; answers how often that ever happened. Raises StreamUnavailable."""
        state = await self._control.state()
        found = await self.find(state.identities)
        if await self._note(found) or len(found) < len(state.identities):
            self.forget()
        return (await self._control.state()).losses

    async def _note(self, found: dict[str, Topic]) -> bool:
        known = (await self._control.state()).identities
        fresh = {topic: it.id for topic, it in found.items() if it.id not in known.get(topic, ())}
        await self._control.register(fresh)
        return bool(fresh)

    def _new_topic(self, topic: str, kind: Kind) -> NewTopic:
        kept_ms = self._settings.retention_ms if kind is Kind.EVENTS else self._settings.hint_retention_ms
        configuration = {
            "cleanup.policy": "delete",
            "retention.ms": str(kept_ms),
            "retention.bytes": "-1",
            # Only whole segments go: an eighth keeps what is kept too long short.
            "segment.ms": str(max(_MINUTE_MS, kept_ms // 8)),
            # One clock decides ages, as rewinds by time need it.
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(min(2, max(1, self._replication - 1))),
            "unclean.leader.election.enable": "false",
        }
        return NewTopic(self._names.topic(topic), self._settings.partitions, self._replication, config=configuration)
