"""What this machine's kernel offers for confining a tool; the launcher leaves away what is not there."""

import ctypes
import os

_LANDLOCK_CREATE, _LANDLOCK_VERSION = 444, 1
_PR_GET_SECCOMP = 21
_MACHINES_WITH_FILTERS = frozenset({"x86_64", "aarch64"})
"""Those whose system calls the launcher knows by number."""


def confinement() -> dict[str, bool]:
    """Landlock keeps a tool from other files, the filter of system calls from sockets, other processes and signals to them."""
    libc = ctypes.CDLL(None, use_errno=True)
    filters = libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 and os.uname().machine in _MACHINES_WITH_FILTERS
    return {"Landlock": libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION) >= 1, "filter of system calls": filters}
