"""The first code of a sandboxed child: confines itself, then becomes the media tool.

Runs as `python -I -S launcher.py PLAN` and imports nothing of ours. It exists because the same work between fork and exec of a
threaded parent may deadlock. Limits are required; confinement that an older kernel lacks (namespaces, Landlock) is left away.
"""

import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_ALL_BY_ABI = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
_FS_ALL_NEWEST = 0xFFFF
_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | 0x4000 | 0x8000
_ABI_WITH_TCP_RULES = 4


def main() -> None:
    """Confine, then exec."""
    plan: dict[str, Any] = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != plan["parent"]:
        os._exit(1)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(plan["nice"])
    os.umask(0o077)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        # The interpreter ignores these and the tool would inherit that.
        signal.signal(ignored, signal.SIG_DFL)
    if not plan["wrapped"]:
        alone = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0
        _landlock(libc, plan["reads"], plan["writes"])
        if alone:
            # Outside a namespace of its own this limit would count the user's other processes too.
            _limit(resource.RLIMIT_NPROC, plan["processes"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, plan["open_files"])
    _limit(resource.RLIMIT_FSIZE, plan["file_bytes"])
    _limit(resource.RLIMIT_AS, plan["memory_bytes"])
    # The soft limit raises SIGXCPU, which names the cause; the hard one a second later cannot be caught.
    resource.setrlimit(resource.RLIMIT_CPU, (plan["cpu_s"], plan["cpu_s"] + 1))
    os.execve(plan["argv"][0], plan["argv"], {})  # noqa: S606 - a shell is what must not come between


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bounded, bounded))


def _landlock(libc: ctypes.CDLL, reads: list[str], writes: list[str]) -> None:
    abi = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return
    every = _FS_ALL_BY_ABI.get(abi, _FS_ALL_NEWEST)
    attributes = struct.pack("=QQ", every, 3) if abi >= _ABI_WITH_TCP_RULES else struct.pack("=Q", every)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    for paths, rights in ((reads, _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR), (writes, every)):
        for path in paths:
            try:
                opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            allowed = rights if stat.S_ISDIR(os.fstat(opened).st_mode) else rights & _FILE_RIGHTS & every
            libc.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, opened), 0)
            os.close(opened)
    if libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) != 0:
        os._exit(1)
    os.close(ruleset)


if __name__ == "__main__":
    main()
