"""Starts a program that ends when its parent ends: `python -m devstack.leash PROGRAM ARG ...`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.5


def _tie_to_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def main(arguments: list[str], parent: int) -> int:
    """Become the program (Linux), or stay and watch the parent where the kernel has no death signal."""
    if sys.platform == "linux":
        _tie_to_parent()
        if os.getppid() != parent:
            return 1
        os.execvp(arguments[0], arguments)  # noqa: S606
    child = subprocess.Popen(arguments)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while child.poll() is None:
        if os.getppid() != parent:
            child.terminate()
        time.sleep(_POLL_S)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], int(sys.argv[1])))
