"""How often a call may be attempted, and when a read is asked for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import grpc
import pytest

from mesh import attempts as module
from mesh.addresses import may_be_several
from mesh.attempts import EARNED, MOST_TOKENS, UNKNOWN_DELAY_S, Attempts, Budget, HedgeDelay
from mesh.metrics import CLIENT_EXTRA
from mesh.telemetry import Telemetry


class Answer:
    """One attempt: what it says, and when."""

    def __init__(self, says: Any, *, after_s: float = 0.0) -> None:
        self._future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.cancelled = False
        asyncio.get_running_loop().call_later(after_s, self._say, says)

    def _say(self, says: Any) -> None:
        if not self._future.done():
            self._future.set_exception(says) if isinstance(says, Exception) else self._future.set_result(says)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._future.__await__()

    def cancel(self) -> bool:
        self.cancelled = True
        return self._future.cancel()


def failure(code: grpc.StatusCode, *trailing: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(service="gateway")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)


def of(telemetry: Telemetry, *, retried: bool = True, hedged: bool = False) -> tuple[Attempts, Budget]:
    budget = Budget(telemetry=telemetry, service="rights")
    return Attempts(budget=budget, retried=retried, hedged=hedged), budget


def saying(*answers: Callable[[], Answer]) -> tuple[Callable[[float], Answer], list[Answer]]:
    made: list[Answer] = []

    def send(timeout_s: float) -> Answer:
        made.append(answers[len(made)]())
        return made[-1]

    return send, made


def unavailable(*trailing: tuple[str, str]) -> Callable[[], Answer]:
    return lambda: Answer(failure(grpc.StatusCode.UNAVAILABLE, *trailing))


async def test_three_attempts_and_no_more(telemetry: Telemetry) -> None:
    attempts, budget = of(telemetry)
    send, made = saying(unavailable(), unavailable(), lambda: Answer("yes"))
    assert await attempts.answer(send, 1.0) == "yes"
    assert len(made) == 3
    assert budget.tokens == pytest.approx(MOST_TOKENS - 2 + EARNED)
    send, made = saying(*[unavailable()] * 4)
    with pytest.raises(grpc.aio.AioRpcError):
        await attempts.answer(send, 1.0)
    assert len(made) == 3
    assert telemetry.value(CLIENT_EXTRA, service="rights", kind="retry", outcome="made") == 4


@pytest.mark.parametrize(
    ("first", "retried"),
    [
        (grpc.StatusCode.UNAVAILABLE, False),
        (grpc.StatusCode.INTERNAL, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, True),
    ],
)
async def test_what_is_not_sent_again(first: grpc.StatusCode, retried: bool, telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry, retried=retried)
    send, made = saying(lambda: Answer(failure(first)))
    with pytest.raises(grpc.aio.AioRpcError):
        await attempts.answer(send, 1.0)
    assert len(made) == 1


async def test_a_server_that_asks_not_to_be_asked_again_is_not(telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry)
    send, made = saying(unavailable((module.PUSHBACK, "-1")))
    with pytest.raises(grpc.aio.AioRpcError):
        await attempts.answer(send, 1.0)
    assert len(made) == 1


async def test_without_time_nothing_is_sent_again(telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry)
    send, made = saying(unavailable())
    with pytest.raises(grpc.aio.AioRpcError):
        await attempts.answer(send, 0.004)
    assert len(made) == 1


async def test_a_slow_read_is_asked_for_twice_and_the_slower_answer_let_go(telemetry: Telemetry) -> None:
    attempts, budget = of(telemetry, hedged=True)
    send, made = saying(lambda: Answer("slow", after_s=30), lambda: Answer("fast"))
    assert await attempts.answer(send, 0.04) == "fast"
    assert [each.cancelled for each in made] == [True, False]
    assert budget.tokens == pytest.approx(MOST_TOKENS - 1 + EARNED)
    send, made = saying(lambda: Answer("soon", after_s=0.03), lambda: Answer("slow", after_s=30))
    assert await attempts.answer(send, 0.04) == "soon"
    await asyncio.sleep(0)
    assert [each.cancelled for each in made] == [False, True]


async def test_a_hedge_that_fails_changes_nothing(telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry, hedged=True)
    send, made = saying(lambda: Answer("late", after_s=0.05), lambda: Answer(failure(grpc.StatusCode.INTERNAL)))
    assert await attempts.answer(send, 0.04) == "late"
    assert len(made) == 2
    send, made = saying(lambda: Answer(failure(grpc.StatusCode.NOT_FOUND), after_s=0.05), lambda: Answer(failure(grpc.StatusCode.INTERNAL)))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await attempts.answer(send, 0.04)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_first_attempt_that_fails_waits_for_its_hedge(telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry, hedged=True)
    send, made = saying(lambda: Answer(failure(grpc.StatusCode.UNAVAILABLE), after_s=0.03), lambda: Answer("other", after_s=0.05))
    assert await attempts.answer(send, 0.04) == "other"
    assert len(made) == 2


async def test_who_cancels_a_read_cancels_both_attempts(telemetry: Telemetry) -> None:
    attempts, _ = of(telemetry, hedged=True)
    send, made = saying(lambda: Answer("never", after_s=60), lambda: Answer("never", after_s=60))
    reading = asyncio.create_task(attempts.answer(send, 0.04))
    while len(made) < 2:
        await asyncio.sleep(0.005)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.sleep(0)
    assert [each.cancelled for each in made] == [True, True]


async def test_hedges_stop_at_the_floor_and_answers_earn_new_ones(telemetry: Telemetry) -> None:
    now_s = 0.0
    budget = Budget(telemetry=telemetry, service="rights", now_s=lambda: now_s)
    assert [budget.allows("hedge") for _ in range(12)] == [True] * 10 + [False] * 2
    for _ in range(12):
        budget.answered()
    assert [budget.allows("hedge") for _ in range(3)] == [True, True, False]
    for _ in range(150):
        budget.answered()
    assert budget.tokens == MOST_TOKENS
    for _ in range(40):
        budget.failed()
    assert (budget.tokens, budget.allows("retry")) == (0.0, False)
    assert telemetry.value(CLIENT_EXTRA, service="rights", kind="hedge", outcome="made") == 12
    assert telemetry.value(CLIENT_EXTRA, service="rights", kind="hedge", outcome="refused") == 3


async def test_a_budget_grows_with_the_traffic_of_the_last_seconds_and_shrinks_again(telemetry: Telemetry) -> None:
    now_s = 0.0
    budget = Budget(telemetry=telemetry, service="rights", now_s=lambda: now_s)
    for _ in range(5_000):
        budget.answered()
        now_s += 0.002
    assert 300 < budget.tokens < 320
    now_s += 60
    budget.answered()
    assert 20 <= budget.tokens < 22


def test_a_read_is_hedged_when_it_takes_longer_than_nearly_all_before() -> None:
    delay = HedgeDelay()
    assert delay.of(10) == UNKNOWN_DELAY_S
    assert delay.of(0.1) == 0.05
    for number in range(128):
        delay.took(0.1 if number % 10 else 0.2)
    assert delay.of(10) == 0.2
    for _ in range(160):
        delay.took(0.001)
    assert delay.of(10) == module.SHORTEST_DELAY_S


def test_one_instance_alone_is_told_from_a_name() -> None:
    for target, several in (
        ("unix:run/video.sock", False),
        ("unix:a.sock,b.sock", True),
        ("127.0.0.1:50051", False),
        ("[::1]:50051", False),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", True),
        ("dns:///video:50051", True),
        ("video.local:50051", True),
    ):
        assert may_be_several(target) is several, target
