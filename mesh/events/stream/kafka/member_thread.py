"""The one thread of a group's member: the driver's consumer lets nobody else in while it polls, so everything happens between two polls."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from mesh.events.stream.kafka.failures import REFUSED, error_of
from mesh.events.stream.kafka.names import Names, Place
from mesh.events.stream.kafka.reading import POLL_S, deliveries, take
from mesh.events.stream.kafka.sink import Commit, Sink

T = TypeVar("T")

LEAST_PAUSE_S: Final = 0.001
MOST_PAUSE_S: Final = 0.02
"""Pauses between polls while acknowledgements are awaited; one that comes ends the pause."""
DUE_S: Final = 0.25
"""How long after a commit its answer is looked for all the time, in seconds."""
ASK_AGAIN_S: Final = 0.3
LEAVE_S: Final = 1.0
"""How long a leaving member waits for the group to know, in seconds."""

_log = logging.getLogger("clipmesh.events")


class Ended(Exception):
    """The member is leaving."""


class MemberThread:
    """Runs a consumer; its public methods are called on the loop and return at once."""

    def __init__(self, *, configure: Callable[..., dict[str, Any]], names: Names, topics: Sequence[str], sink: Sink) -> None:
        self._names = names
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._topics = topics
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._commits: deque[Commit] = deque()
        self._again: deque[Sequence[Place]] = deque()
        self._paused: deque[tuple[Place, bool]] = deque()
        self._sent: deque[Commit] = deque()
        self._owned: set[Place] = set()
        self._handed: dict[Place, int] = {}
        """The first offset that is not handed to the loop yet, where some that are handed are not committed."""
        self._answers = 0
        self._due_at = 0.0
        self._failed = False
        self._consumer = Consumer(configure(on_error=self._hear, on_commit=self._on_commit))
        self.gone = asyncio.Event()
        """Set on the loop when the thread has ended."""
        self._thread = threading.Thread(target=self._run, name="kafka-member", daemon=True)
        self._thread.start()

    def commit(self, commit: Commit) -> None:
        """Commit offsets; the sink hears how it went."""
        self._commits.append(commit)
        self._wake.set()

    def begin_again(self, places: Sequence[Place]) -> None:
        """Read partitions anew from where the group stands now."""
        self._again.append(places)
        self._wake.set()

    def pause(self, place: Place, *, paused: bool) -> None:
        """Fetch nothing of a partition for a while, or go on."""
        self._paused.append((place, paused))
        self._wake.set()

    def leave(self) -> None:
        """Leave the group and end."""
        self._closing.set()
        self._wake.set()

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._loop.is_closed():
            raise Ended
        self._loop.call_soon_threadsafe(call, *arguments)

    def _ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The loop's answer, asked until there is one. Raises Ended when the member leaves first."""
        told = False
        while not self._closing.is_set() and not self._loop.is_closed():
            asking = asyncio.run_coroutine_threadsafe(question(), self._loop)
            try:
                while not self._closing.is_set():
                    with suppress(FutureTimeout):
                        return asking.result(POLL_S)
            except (Exception, FutureCancelled) as error:
                if not told:
                    _log.warning("a member does not know yet where to read: %s", error, extra={"error_type": type(error).__name__})
                told = True
                self._closing.wait(ASK_AGAIN_S)
            finally:
                asking.cancel()
        raise Ended

    def _run(self) -> None:
        consumer = self._consumer
        try:
            consumer.subscribe(
                list(map(self._names.topic, self._topics)), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            pause_s = LEAST_PAUSE_S
            while not self._closing.is_set():
                self._wake.clear()
                self._serve()
                if self._sent:
                    # A poll that heard the answer to a commit goes on waiting for records, so it must be short while one is due.
                    timeout_s = LEAST_PAUSE_S if time.monotonic() < self._due_at else pause_s
                elif self._handed:
                    timeout_s = 0.0
                    self._wake.wait(pause_s)
                else:
                    timeout_s = POLL_S
                answered = self._answers
                if self._hand(take(consumer, timeout_s)) or self._wake.is_set() or self._answers != answered:
                    pause_s = LEAST_PAUSE_S
                else:
                    pause_s = min(pause_s * 2, MOST_PAUSE_S)
            self._leave()
        except Ended:
            pass
        except KafkaException as error:
            with suppress(Ended):
                self._fail(error.args[0])
        finally:
            consumer.close()
            with suppress(Ended):
                self._tell(self.gone.set)

    def _leave(self) -> None:
        """A member with a name stays one until its lease runs out, unless it unsubscribes first."""
        until = time.monotonic() + LEAVE_S
        self._consumer.unsubscribe()
        while self._owned and not self._failed and time.monotonic() < until:
            self._consumer.poll(POLL_S / 2)

    def _serve(self) -> None:
        while self._paused:
            place, paused = self._paused.popleft()
            if place in self._owned:
                (self._consumer.pause if paused else self._consumer.resume)([self._part(place)])
        if self._commits and not self._sent:
            commit = self._commits.popleft()
            self._sent.append(commit)
            self._due_at = time.monotonic() + DUE_S
            try:
                self._consumer.commit(offsets=self._offsets(commit), asynchronous=True)
            except KafkaException as error:
                self._sent.pop()
                self._answer(commit, error.args[0])
        while self._again:
            self._seek([place for place in self._again.popleft() if place in self._owned])

    def _seek(self, places: Sequence[Place]) -> None:
        if not places:
            return
        starts = self._ask(lambda: self._sink.starts(places))
        # A seek fails while the driver still looks for where to begin; a new beginning does not.
        self._consumer.incremental_unassign([self._part(place) for place in starts])
        for place in starts:
            self._handed.pop(place, None)
        self._consumer.incremental_assign([self._part(place, position.offset) for place, position in starts.items()])
        self._tell(self._sink.assigned, starts)

    def _hand(self, messages: Sequence[Any]) -> bool:
        for message in messages:
            if (error := message.error()) is not None:
                self._hear(error)
        batch = {place: records for place, records in deliveries(messages, self._names).items() if place in self._owned}
        for place, records in batch.items():
            self._handed[place] = int(records[-1].position) + 1
        if batch:
            self._tell(self._sink.arrived, batch)
        return bool(batch)

    def _hear(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in REFUSED | {KafkaError._FATAL, KafkaError.INVALID_SESSION_TIMEOUT}:
            with suppress(Ended):
                self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        if not self._failed:
            self._failed = True
            self._tell(self._sink.failed, error)

    def _on_commit(self, error: KafkaError | None, parts: Sequence[TopicPartition]) -> None:
        commit = self._sent.popleft()
        self._answers += 1
        if not commit.answered:
            self._answer(commit, error or _first_error(parts))

    def _answer(self, commit: Commit, error: KafkaError | None) -> None:
        commit.answered = True
        if error is None:
            for place, (offset, _) in commit.offsets.items():
                if self._handed.get(place, offset + 1) <= offset:
                    del self._handed[place]
        with suppress(Ended):
            self._tell(self._sink.committed, commit, error)

    def _on_assign(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        places = [self._place(part) for part in parts]
        try:
            starts = self._ask(lambda: self._sink.starts(places)) if places else {}
        except Ended:
            consumer.incremental_assign([])
            return
        consumer.incremental_assign([self._part(place, starts[place].offset) for place in places if place in starts])
        self._owned |= starts.keys()
        with suppress(Ended):
            self._tell(self._sink.assigned, starts)

    def _on_revoke(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        places = [self._place(part) for part in parts]
        done = threading.Event()

        def finished() -> None:
            done.set()
            self._wake.set()

        with suppress(Ended):
            if places and not self._closing.is_set():
                self._tell(self._sink.revoke, places, finished)
                self._finish(done)
        self._drop(places)
        consumer.incremental_unassign(list(parts))

    def _finish(self, done: threading.Event) -> None:
        """Commit what is in hand. Answers to commits do not arrive inside this callback, so what was sent is sent again and waited for."""
        waiting = [commit for commit in self._sent if not commit.answered]
        while not (done.is_set() or self._closing.is_set()):
            self._wake.clear()
            while self._commits:
                waiting.append(self._commits.popleft())
            for commit in waiting:
                try:
                    self._answer(commit, _first_error(self._consumer.commit(offsets=self._offsets(commit), asynchronous=False)))
                except KafkaException as error:
                    self._answer(commit, error_of(error))
            waiting.clear()
            self._wake.wait(POLL_S)

    def _on_lost(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        places = [self._place(part) for part in parts]
        with suppress(Ended):
            self._tell(self._sink.lost, places)
        self._drop(places)
        consumer.incremental_unassign(list(parts))

    def _drop(self, places: Sequence[Place]) -> None:
        self._owned.difference_update(places)
        for place in places:
            self._handed.pop(place, None)

    def _place(self, part: TopicPartition) -> Place:
        return Place(self._names.topic_of(part.topic), part.partition)

    def _part(self, place: Place, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._names.topic(place.topic), place.partition, offset)

    def _offsets(self, commit: Commit) -> list[TopicPartition]:
        return [
            TopicPartition(self._names.topic(place.topic), place.partition, offset, metadata=note)
            for place, (offset, note) in commit.offsets.items()
        ]


def _first_error(parts: Sequence[TopicPartition]) -> KafkaError | None:
    return next((part.error for part in parts if part.error is not None), None)
