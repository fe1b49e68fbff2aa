"""What encodes the archive in a process of its own: it imports no service, answers, and does not stay."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from mesh.events.archive.apart import EndedEarly, ProcessApart
from mesh.events.archive.parquet import ArchiveDamaged, check, decode, encode
from tests.unit.mesh.events.test_archive import KEY


@pytest.fixture
def apart() -> Iterator[ProcessApart]:
    made = ProcessApart()
    yield made
    made.shutdown(wait=True)


def test_it_imports_what_the_archive_needs_and_no_service(apart: ProcessApart) -> None:
    assert apart.submit(encode, [], batch="b", key=KEY).result() == []
    loaded = set(apart.submit(eval, "set(__import__('sys').modules)").result())
    assert "mesh.events.archive.parquet" in loaded
    ours = {name.partition(".")[0] for name in loaded} & {"svc_video", "gateway", "devstack", "tests", "grpc", "asyncio", "pytest", "redis"}
    assert ours == set()
    assert apart.submit(eval, "__import__('sys').path").result() == sys.path


def test_what_its_work_raises_is_raised_here_and_it_goes_on(apart: ProcessApart) -> None:
    with pytest.raises(ArchiveDamaged, match="the file cannot be read"):
        apart.submit(partial(decode, b"no parquet", key=KEY)).result()
    with pytest.raises(ArchiveDamaged):
        apart.submit(check, b"no parquet", (1,), key=KEY).result()
    with pytest.raises(RuntimeError, match="the answer cannot be handed over"):
        apart.submit(eval, "(n for n in ())").result()
    assert apart.submit(eval, "print('a line among the answers') or 7").result() == 7


def test_one_that_died_is_an_error_and_no_answer(apart: ProcessApart) -> None:
    apart.submit(int, "1").result()
    os.kill(apart.pid, signal.SIGKILL)
    with pytest.raises(EndedEarly):
        apart.submit(int, "2").result()


@pytest.mark.parametrize("wait", [True, False])
def test_it_ends_when_it_is_let_go(wait: bool) -> None:
    apart = ProcessApart()
    child = apart.submit(os.getpid).result()
    assert child == apart.pid
    works = apart.submit(time.sleep, 0.1 if wait else 1_000)
    waits = apart.submit(os.getpid)
    while not works.running():
        time.sleep(0.01)
    apart.shutdown(wait=wait, cancel_futures=not wait)
    if wait:
        assert (works.result(), waits.result()) == (None, child)
    else:
        with pytest.raises(EndedEarly):
            works.result()
        assert waits.cancelled()
    while apart.pid:
        time.sleep(0.01)
