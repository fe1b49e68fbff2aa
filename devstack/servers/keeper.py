"""Starts programs that end when this process ends, and reads how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from devstack import logs
from devstack.servers.refusals import FetchFailed, NotReady

FETCH_S: Final = 1_200.0
"""Longest time of one package client, in seconds."""
END_S: Final = 20.0
"""How long a program may take to finish after SIGTERM, in seconds; then it is killed."""

PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "JAVA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What servers inherit: nothing that would make two machines behave differently."""
OF_CLIENTS: Final = ("GO", "CGO_", "MAVEN_", "MVN_", "M2_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NETRC", "XDG_", "GIT_")
"""Beginnings of what package clients inherit besides: where to fetch from, and through what."""


def environment_of_servers() -> dict[str, str]:
    """The environment that every server starts from."""
    return {name: value for name, value in os.environ.items() if name in PASSED_ON}


class Keeper:
    """Keeps the programs of one run on a leash; all methods may be called from any thread."""

    def __init__(self, *, held: tuple[int, ...] = ()) -> None:
        """`held` are descriptors that every program keeps open as long as it lives."""
        # The kernel's death signal follows the thread that started a program, not its process: all are started by this one, which stays.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-keeper")
        self._held = held
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program as the leader of a process group of its own; its words are appended to `log`."""
        command = [sys.executable, "-m", "devstack.leash", str(os.getpid()), *arguments]

        def spawn() -> subprocess.Popen[bytes]:
            with log.open("ab") as words:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=words,
                    pass_fds=self._held,
                    start_new_session=True,
                )
            self._started = [*(each for each in self._started if each.returncode is None), process]
            return process

        try:
            return self._thread.submit(spawn).result()
        except RuntimeError as error:
            raise NotReady("the servers are being stopped") from error

    def fetch(self, arguments: Sequence[str], *, folder: Path, log: Path, **variables: str) -> None:
        """Run a package client to its end. Raises FetchFailed with its last words."""
        asked = {name: value for name, value in os.environ.items() if name.upper().startswith(OF_CLIENTS)}
        process = self.start(arguments, folder=folder, environment={**environment_of_servers(), **asked, **variables}, log=log)
        name = Path(arguments[0]).name
        try:
            code = process.wait(FETCH_S)
        except subprocess.TimeoutExpired as error:
            raise FetchFailed(f"{name} did not end within {FETCH_S:.0f} s") from error
        finally:
            end(process)
        if code:
            raise FetchFailed(f"{name} ended with status {code}; is the package registry reachable?\n{logs.tail(log, 0)}")

    def close(self) -> None:
        """Start nothing more, and end what still runs, package clients too. Safe to repeat."""
        self._thread.shutdown()
        with ThreadPoolExecutor(max_workers=max(1, len(self._started))) as enders:
            list(enders.map(end, self._started))


def end(process: subprocess.Popen[bytes], *, gently: bool = True, within_s: float = END_S) -> bool:
    """End a program with its whole group; True when it did so by itself in time. Safe to repeat."""
    if process.returncode is not None:
        return True
    gentle = True
    if gently and not _ended(process.pid):
        _signal(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + within_s
        while not (gentle := _ended(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
    # Also what it left behind in its group, which keeps its number as long as nobody has asked how the program ended.
    _signal(process.pid, signal.SIGKILL)
    process.wait()
    return gentle


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
