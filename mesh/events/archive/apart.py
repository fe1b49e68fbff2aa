"""Work in a process of its own that imports what the work needs and nothing else, and lives as long as one batch.

`multiprocessing` would import the main module of the service once more, for each batch: a second of CPU, and everything that its modules begin.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_END_S = 5.0
"""How long the process may take to end once nobody speaks to it any more, in seconds."""


class EndedEarly(RuntimeError):
    """The process ended before it answered."""


class ProcessApart(Executor):
    """One call after the other, in one process, which starts with the first. Functions are named, arguments and answers are pickled."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apart")
        self._alone = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False

    @property
    def pid(self) -> int:
        """The process id, 0 before the first call and after the end."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call once those before it are over. Its future raises what the function raises, or EndedEarly."""
        return self._thread.submit(self._call, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the process end; a call that runs ends early when nobody waits for it."""
        self._thread.shutdown(wait=wait, cancel_futures=cancel_futures)
        with self._alone:
            self._over = True
            process = self._process
        if process is None:
            return
        if not wait:
            process.kill()
        # The thread that calls it may be the one of a loop.
        end = threading.Thread(target=_end, args=(process,), name="apart-end", daemon=True)
        end.start()
        if wait:
            end.join()

    def _call(self, work: Callable[[], T]) -> T:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(work, process.stdin)
            process.stdin.flush()
            done, answer = pickle.load(process.stdout)  # noqa: S301 from a child of ours
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise EndedEarly("the process that works for the archive ended before it answered") from error
        if not done:
            raise answer
        result: T = answer
        return result

    def _started(self) -> subprocess.Popen[bytes]:
        with self._alone:
            if self._over:
                raise EndedEarly("the process that works for the archive is let go")
            if self._process is None:
                # The path as it is here, wherever this process was started and whatever it added.
                program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
                self._process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve() -> None:
    """The other side: do what comes in at standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever prints must not print between the answers.
    os.dup2(2, 1)
    while _answer(sys.stdin.buffer, answers):
        pass


def _answer(calls: BinaryIO, answers: BinaryIO) -> bool:
    try:
        work = pickle.load(calls)  # noqa: S301 from the parent
    except EOFError:
        return False
    answer: tuple[bool, Any]
    try:
        answer = (True, work())
    except Exception as error:
        answer = (False, error)
    try:
        told = pickle.dumps(answer)
    except Exception as error:
        told = pickle.dumps((False, RuntimeError(f"the answer cannot be handed over: {type(error).__name__}")))
    answers.write(told)
    answers.flush()
    return True
