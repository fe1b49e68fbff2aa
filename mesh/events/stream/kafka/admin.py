"""Questions to the cluster about topics, offsets and groups, each under the caller's deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import admin as driver
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from mesh import deadline
from mesh.events.stream.kafka import clients
from mesh.events.stream.kafka.clients import CALL_TIMEOUT_S
from mesh.events.stream.kafka.failures import PASSING, REFUSED, error_of, unavailable
from mesh.events.stream.kafka.names import Names, Place
from mesh.events.stream.kafka.url import VARIABLE
from mesh.events.stream.port import StreamUnavailable
from mesh.settings import InvalidSetting

_SPEC: Final[Any] = getattr(driver, "OffsetSpec")  # noqa: B009 - the driver exports it without a type
_SLACK_S: Final = 0.05
"""What the driver's own limit goes beyond ours, in seconds: ours tells the caller in time, the driver's frees its memory."""
_AGAIN_S: Final = 0.05
OLD_S: Final = 2.0
"""A client this old that does not get an answer in time is replaced, in seconds."""
CLOSE_S: Final = 1.0
GROUPS_AT_ONCE: Final = 2
"""Questions about groups that are asked at once; each holds a thread."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the cluster has it."""

    id: str
    """Another one when it was deleted and made again."""
    partitions: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group committed in a partition."""

    offset: int
    """The first record that is not acknowledged; -1 when nothing is."""
    note: str
    """What was committed along."""


class Admin:
    """One client for questions, opened with the first."""

    def __init__(self, *, connection: Mapping[str, Any], names: Names) -> None:
        self.names = names
        self.refusal: KafkaError | None = None
        """Why the broker, or we, will not have this connection, as far as it is known."""
        self.told = ""
        """The last thing that went wrong on a connection."""
        self.away = False
        """True when no broker could be reached since the client was opened."""
        self._connection = connection
        self._client: AdminClient | None = None
        self._opened_at = 0.0
        self._threads = ThreadPoolExecutor(max_workers=GROUPS_AT_ONCE, thread_name_prefix="kafka-groups")

    async def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Topics by their name in the cluster; absent ones are left out. Raises StreamUnavailable."""
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        found: dict[str, Topic] = {}
        answers = await self._ask(
            "describe topics", lambda it, limit_s: it.describe_topics(TopicCollection(wanted), request_timeout=limit_s)
        )
        for name, answer in answers.items():
            if isinstance(answer, KafkaException):
                if answer.args[0].code() not in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:
                    raise unavailable(f"describe {name}", answer)
            elif answer.partitions:
                found[name] = Topic(id=str(answer.topic_id), partitions=len(answer.partitions))
        return found

    async def create(self, topics: Sequence[NewTopic]) -> None:
        """Create topics that are not there. Raises StreamUnavailable."""
        answers = await self._ask("create topics", lambda it, limit_s: it.create_topics(list(topics), operation_timeout=limit_s))
        for name, answer in answers.items():
            if isinstance(answer, KafkaException) and answer.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise unavailable(f"create {name}", answer)

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where the next record of each partition goes."""
        return await self._offsets({place: _SPEC.latest() for place in places})

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The oldest record of each partition that is kept."""
        return await self._offsets({place: _SPEC.earliest() for place in places})

    async def at(self, moments_ms: Mapping[Place, int]) -> dict[Place, int]:
        """The first record published at or after a moment, -1 where there is none."""
        return await self._offsets({place: _SPEC.for_timestamp(moment_ms) for place, moment_ms in moments_ms.items()})

    async def _offsets(self, wanted: Mapping[Place, Any]) -> dict[Place, int]:
        if not wanted:
            return {}
        parts = {TopicPartition(self.names.topic(place.topic), place.partition): (place, spec) for place, spec in wanted.items()}
        questions = {part: spec for part, (_, spec) in parts.items()}
        answers = await self._ask("list offsets", lambda it, limit_s: it.list_offsets(questions, request_timeout=limit_s))
        offsets = {}
        for part, answer in answers.items():
            if isinstance(answer, KafkaException):
                raise unavailable(f"list offsets of {part.topic}", answer)
            offsets[parts[part][0]] = int(answer.offset)
        return offsets

    async def committed(self, group: str, places: Iterable[Place]) -> dict[Place, Committed]:
        """What a group committed, one entry a place. Raises StreamUnavailable."""
        parts = {TopicPartition(self.names.topic(place.topic), place.partition): place for place in places}
        if not parts:
            return {}
        committed = {}
        for part in await self._committed(self.names.group(group), list(parts)):
            if part.error is not None:
                raise unavailable(f"read the group {group}", part.error)
            committed[parts[TopicPartition(part.topic, part.partition)]] = Committed(max(part.offset, -1), part.metadata or "")
        return committed

    async def groups(self) -> dict[str, set[str]]:
        """Every group of ours that committed, with its topics."""
        (listing,) = (await self._ask("list groups", lambda it, limit_s: {"": it.list_consumer_groups(request_timeout=limit_s)})).values()
        if isinstance(listing, KafkaException):
            raise unavailable("list groups", listing)
        ours = {entry.group_id: group for entry in listing.valid if (group := self.names.group_of(entry.group_id)) is not None}
        parts = await self._parts() if ours else []
        found: dict[str, set[str]] = {}
        for name, group in ours.items():
            found[group] = {self.names.topic_of(part.topic) for part in await self._committed(name, parts) if part.offset >= 0}
        return found

    async def _parts(self) -> list[TopicPartition]:
        """Every partition of every topic of ours."""

        def list_topics(reader: Consumer, limit_s: float) -> list[TopicPartition]:
            topics = reader.list_topics(timeout=limit_s).topics
            ours = (name for name in topics if self.names.group_of(name) is not None)
            return [TopicPartition(name, number) for name in ours for number in topics[name].partitions]

        return await self._as_reader(self.names.group("__groups"), "list topics", list_topics)

    async def _committed(self, group: str, parts: list[TopicPartition]) -> list[TopicPartition]:
        """What a group committed. librdkafka's admin client ends the whole process when a coordinator goes away under this very question
        (https://github.com/confluentinc/librdkafka/pull/5397); a consumer that joins nobody can ask it too."""
        return await self._as_reader(group, "read a group", lambda reader, limit_s: reader.committed(parts, timeout=limit_s))

    async def _as_reader(self, group: str, doing: str, question: Callable[[Consumer, float], list[TopicPartition]]) -> list[TopicPartition]:
        """The answer to a question that blocks."""
        limit_s = deadline.remaining_s(CALL_TIMEOUT_S)
        if limit_s <= 0:
            raise StreamUnavailable(f"no time was left to let Kafka {doing}")

        def ask() -> list[TopicPartition]:
            reader = Consumer(clients.reader(self._connection, on_error=lambda _: None, name=group))
            try:
                return question(reader, limit_s)
            finally:
                reader.close()

        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except TimeoutError as error:
            raise StreamUnavailable(f"Kafka did not {doing} within {limit_s * 1000:.0f} ms") from error
        except KafkaException as error:
            raise unavailable(doing, error) from error

    async def _ask(self, doing: str, question: Any) -> dict[Any, Any]:
        """The answer to each part of a question, a KafkaException where it failed. What passes by itself is asked again while there is time."""
        while True:
            answers = await self._ask_once(doing, question)
            passing = any((error := error_of(answer)) is not None and error.code() in PASSING for answer in answers.values())
            if not passing or deadline.remaining_s(CALL_TIMEOUT_S) <= _AGAIN_S:
                return answers
            await asyncio.sleep(_AGAIN_S)

    async def _ask_once(self, doing: str, question: Any) -> dict[Any, Any]:
        limit_s = deadline.remaining_s(CALL_TIMEOUT_S)
        if limit_s <= 0:
            raise StreamUnavailable(f"no time was left to let Kafka {doing}")
        self.hear()
        if self.away:
            self._renew()
        if self._client is None:
            self.away = False
            self._client = self._open()
            self._opened_at = time.monotonic()
        try:
            futures: dict[Any, Future[Any]] = question(self._client, limit_s + _SLACK_S)
            async with asyncio.timeout(limit_s):
                answers = await asyncio.gather(*(asyncio.wrap_future(future) for future in futures.values()), return_exceptions=True)
        except TimeoutError as error:
            self.hear()
            self._renew()
            hint = f" ({self.told})" if self.told else ""
            raise StreamUnavailable(f"Kafka did not {doing} within {limit_s * 1000:.0f} ms{hint}") from error
        except KafkaException as error:
            raise unavailable(doing, error) from error
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, KafkaException):
                raise answer
            if (known := error_of(answer)) is not None and known.code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:
                raise unavailable(doing, known)
        return dict(zip(futures, answers, strict=True))

    def _open(self) -> AdminClient:
        try:
            return AdminClient(clients.admin(self._connection, on_error=self._note))
        except KafkaException as error:
            why = " ".join(error.args[0].str().split())
            raise InvalidSetting(
                f"{VARIABLE}: no connection can be made of it ({why}); ca={self._connection.get('ssl.ca.location', '')}"
            ) from error

    def hear(self) -> None:
        """Let the driver tell what went wrong on its connections since it was asked last; it has no thread for that."""
        if self._client is not None:
            self._client.poll(0)

    def _renew(self) -> None:
        """Begin anew with the next question: the driver keeps asking a coordinator that it remembers, though the broker came back as another."""
        if time.monotonic() - self._opened_at >= OLD_S:
            client, self._client = self._client, None
            if client is not None:
                _let_go(client)

    def _note(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.away = True
            return
        self.told = " ".join(error.str().split())
        if error.code() in REFUSED or error.code() == KafkaError._SSL:
            self.refusal = error

    async def close(self) -> None:
        """Let go of the client; safe to repeat."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        client, self._client = self._client, None
        if client is not None:
            ending = _let_go(client)
            del client
            await asyncio.to_thread(ending.join, CLOSE_S)


def _let_go(client: AdminClient) -> threading.Thread:
    """The last reference ends the driver's threads, which may take a moment."""
    holder = [client]
    ending = threading.Thread(target=holder.clear, name="kafka-admin-ends", daemon=True)
    ending.start()
    return ending
