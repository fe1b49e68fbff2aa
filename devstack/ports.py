"""Free ports of loopback for processes that may be restarted on them."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Sequence
from typing import Final

LOWEST: Final = 20_000
HIGHEST: Final = 32_000
"""Below what kernels give to outgoing connections (from 32768 on Linux): a client that keeps trying to reach a server that was killed could
otherwise be given the server's own port, connect to itself, and keep the next server from listening."""

# Tests seed the ordinary generator, and two runs with one seed would draw the same ports.
_random = random.SystemRandom()
_alone = threading.Lock()
_given: set[int] = set()


def free_ports(count: int) -> Sequence[int]:
    """So many ports that nobody listens on now, and that were not given to anybody else in this process."""
    found: list[int] = []
    with _alone:
        while len(found) < count:
            port = _random.randrange(LOWEST, HIGHEST)
            if port not in _given and is_free(port):
                _given.add(port)
                found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """True when nobody listens on a port of loopback."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
