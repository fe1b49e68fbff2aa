"""One server as a handle: started until it answers, ended gently or as a crash would, and started again on the same port and data."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import Final

from devstack import logs
from devstack.servers.cache import Cache
from devstack.servers.keeper import END_S, Keeper, end, environment_of_servers
from devstack.servers.recipe import Place, Recipe
from devstack.servers.refusals import NotReady

READY_S: Final = 300.0
"""How long a server may take to its first answer, in seconds: ten are enough for an idle machine, tests share theirs."""
_LOOK_AGAIN_S: Final = 0.05


class Server:
    """One server in a folder and on ports of its own. Its methods block: asynchronous code calls them in a thread."""

    def __init__(self, recipe: Recipe, place: Place, *, cache: Cache, keeper: Keeper) -> None:
        self.recipe = recipe
        self.place = place
        self._cache = cache
        self._keeper = keeper
        self._process: subprocess.Popen[bytes] | None = None
        self._alone = threading.RLock()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.recipe.name

    @property
    def url(self) -> str:
        """What the setting of Clipmesh takes."""
        return self.recipe.url(self.port)

    @property
    def port(self) -> int:
        """Where clients connect to, on 127.0.0.1."""
        return self.place.ports[0]

    @property
    def pid(self) -> int:
        """The process id now, 0 while it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> None:
        """Start it where it was and return when it answers; nothing when it runs. Raises ServerRefused, and then it does not run."""
        with self._alone:
            if self.pid:
                return
            self.place.folder.mkdir(parents=True, exist_ok=True)
            log = self.place.folder / "server.log"
            since = logs.size(log)
            command = self.recipe.command(self.place, cache=self._cache, keeper=self._keeper)
            environment = {**environment_of_servers(), **command.variables}
            process = self._process = self._keeper.start(command.arguments, folder=self.place.folder, environment=environment, log=log)
            deadline = time.monotonic() + READY_S
            try:
                while not self.recipe.answers(self.port):
                    if process.poll() is not None:
                        raise NotReady(f"{self.name} ended with status {process.returncode}; see {log}\n{logs.tail(log, since)}")
                    if time.monotonic() > deadline:
                        raise NotReady(f"{self.name} did not answer within {READY_S:.0f} s; see {log}\n{logs.tail(log, since)}")
                    time.sleep(_LOOK_AGAIN_S)
            except BaseException:
                end(process, gently=False)
                raise

    def kill(self) -> None:
        """End it at once, as a crash would; returns when it is gone."""
        with self._alone:
            if self._process is not None:
                end(self._process, gently=False)

    def stop(self, *, within_s: float = END_S) -> bool:
        """Ask it to end; True when it did so by itself, False when it had to be killed."""
        with self._alone:
            return self._process is None or end(self._process, within_s=within_s)
