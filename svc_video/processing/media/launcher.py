"""The first code of a sandboxed child: confines itself, then becomes the media tool.

Runs as `python -I -S launcher.py PLAN` and imports nothing of ours. It exists because the same work between fork and exec of a
threaded parent may deadlock. Limits are required; confinement that an older kernel lacks (namespaces, Landlock, filters) is left away.
"""

import ctypes
import errno
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
_ABI_WITH_TCP_RULES, _ABI_WITH_SCOPES = 4, 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2

_PR_SET_SECCOMP, _SECCOMP_FILTER = 22, 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_OTHER_ABI = 0x40000000
_CLONE_THREAD, _CLONE3, _IO_URING_SETUP = 0x10000, 435, 425
_MACHINES: dict[str, tuple[int, int, int, list[int], list[int]]] = {
    # What the kernel calls it; rt_sigaction; clone; socket, socketpair, ptrace; fork, vfork.
    "x86_64": (0xC000003E, 13, 56, [41, 53, 101], [57, 58]),
    "aarch64": (0xC00000B7, 134, 220, [198, 199, 117], []),
}


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
    _limit(resource.RLIMIT_DATA, plan["data_bytes"])
    if not plan["wrapped"]:
        _refuse_calls(libc, forks=plan["forks"])
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
    attributes = struct.pack("=Q", every)
    if abi >= _ABI_WITH_TCP_RULES:
        attributes += struct.pack("=Q", 3)
    if abi >= _ABI_WITH_SCOPES:
        attributes += struct.pack("=Q", _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
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


def _refuse_calls(libc: ctypes.CDLL, *, forks: bool) -> None:
    """No socket of any family, and no process but this one: a path can name a socket, and limits count for each process alone.

    A refused call answers an error, which tools survive.
    """
    known = _MACHINES.get(os.uname().machine)
    if known is None:
        return
    architecture, sigaction, clone, never, forking = known
    rules = [
        *((_LOAD, 0, 0, _ARCHITECTURE_AT), (_IF_EQUAL, 1, 0, architecture), (_ANSWER, 0, 0, _KILL)),
        *((_LOAD, 0, 0, _NUMBER_AT), (_IF_AT_LEAST, 0, 1, _OTHER_ABI), (_ANSWER, 0, 0, _KILL)),
    ]
    for number in (*never, _IO_URING_SETUP, *(() if forks else forking)):
        rules += [(_IF_EQUAL, 0, 1, number), (_ANSWER, 0, 0, _REFUSE | errno.EPERM)]
    # ffmpeg would take this signal for a wish to end well, and nobody would learn that it was out of CPU seconds.
    rules += [(_IF_EQUAL, 0, 4, sigaction), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_EQUAL, 0, 1, signal.SIGXCPU)]
    rules += [(_ANSWER, 0, 0, _REFUSE | errno.EPERM), (_ANSWER, 0, 0, _ALLOW)]
    if not forks:
        # The newer call keeps its flags where no filter can read them; without it libraries use the older one.
        rules += [(_IF_EQUAL, 0, 1, _CLONE3), (_ANSWER, 0, 0, _REFUSE | errno.ENOSYS)]
        rules += [(_IF_EQUAL, 0, 3, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_ANY_BIT, 1, 0, _CLONE_THREAD)]
        rules += [(_ANSWER, 0, 0, _REFUSE | errno.EPERM)]
    rules.append((_ANSWER, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    described = struct.pack("@HP", len(rules), ctypes.addressof(program))
    # A kernel without filters refuses this; namespaces and Landlock are then all there is.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, described, 0, 0)


if __name__ == "__main__":
    main()
