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
from typing import Any, NamedTuple

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
_CLONE_THREAD, _CLONE3 = 0x10000, 435
_NEWER = (424, 425, 434, 438)
"""pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd: the same number on every machine."""


class _Machine(NamedTuple):
    """The numbers of system calls on one kind of machine."""

    architecture: int
    """What the kernel calls it."""
    sigaction: int
    clone: int
    forks: tuple[int, ...]
    """fork, vfork."""
    sockets: tuple[int, ...]
    """socket, socketpair."""
    pries: tuple[int, ...]
    """Into other processes and the kernel: ptrace, process_vm_readv, process_vm_writev, kcmp, perf_event_open, userfaultfd, bpf, mount, umount2,
    unshare, setns."""
    shares: tuple[int, ...]
    """Memory, semaphores and queues that have names, and keyrings: shm*, sem*, msg*, mq_open, add_key, request_key, keyctl."""
    aims: tuple[int, ...]
    """Whose first argument is a process, and which are for its own alone: kill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, prlimit64,
    sched_setaffinity, sched_setparam, sched_setscheduler, sched_setattr."""
    ranks: tuple[int, ...]
    """tkill, setpriority, ioprio_set: no tool needs them."""


_MACHINES = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        sigaction=13,
        clone=56,
        forks=(57, 58),
        sockets=(41, 53),
        pries=(101, 310, 311, 312, 298, 323, 321, 165, 166, 272, 308),
        shares=(29, 30, 31, 64, 65, 66, 220, 68, 69, 70, 71, 240, 248, 249, 250),
        aims=(62, 234, 129, 297, 302, 203, 142, 144, 314),
        ranks=(200, 141, 251),
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        sigaction=134,
        clone=220,
        forks=(),
        sockets=(198, 199),
        pries=(117, 270, 271, 272, 241, 282, 280, 40, 39, 97, 268),
        shares=(194, 196, 195, 190, 193, 191, 192, 186, 189, 188, 187, 180, 217, 218, 219),
        aims=(129, 131, 138, 240, 261, 122, 118, 119, 274),
        ranks=(130, 140, 30),
    ),
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
    # The soft limit raises SIGXCPU, which names the cause; the hard one a second later cannot be caught.
    resource.setrlimit(resource.RLIMIT_CPU, (plan["cpu_s"], plan["cpu_s"] + 1))
    _refuse_calls(libc, forks=plan["forks"])
    os.execve(plan["argv"][0], plan["argv"], {"TMPDIR": plan["scratch"]})  # noqa: S606 - a shell is what must not come between


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
    """No socket of any family, no process but this one, and no way to any other: a path can name a socket, limits count for each process alone,
    and whoever runs under the same user may otherwise be signalled, slowed down and limited.

    A refused call answers an error, which tools survive.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return
    refused = (_ANSWER, 0, 0, _REFUSE | errno.EPERM)
    rules = [
        *((_LOAD, 0, 0, _ARCHITECTURE_AT), (_IF_EQUAL, 1, 0, machine.architecture), (_ANSWER, 0, 0, _KILL)),
        *((_LOAD, 0, 0, _NUMBER_AT), (_IF_AT_LEAST, 0, 1, _OTHER_ABI), (_ANSWER, 0, 0, _KILL)),
    ]
    for number in (*machine.sockets, *machine.pries, *machine.shares, *machine.ranks, *_NEWER, *(() if forks else machine.forks)):
        rules += [(_IF_EQUAL, 0, 1, number), refused]
    # ffmpeg would take this signal for a wish to end well, and nobody would learn that it was out of CPU seconds.
    rules += [(_IF_EQUAL, 0, 4, machine.sigaction), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_EQUAL, 0, 1, signal.SIGXCPU)]
    rules += [refused, (_ANSWER, 0, 0, _ALLOW)]
    if not forks:
        # 0 means the caller itself, but to kill: then it is its group, which has nobody else in it.
        for number in machine.aims:
            rules += [(_IF_EQUAL, 0, 5, number), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_EQUAL, 2, 0, 0), (_IF_EQUAL, 1, 0, os.getpid())]
            rules += [refused, (_ANSWER, 0, 0, _ALLOW)]
        # The newer call keeps its flags where no filter can read them; without it libraries use the older one.
        rules += [(_IF_EQUAL, 0, 1, _CLONE3), (_ANSWER, 0, 0, _REFUSE | errno.ENOSYS)]
        rules += [(_IF_EQUAL, 0, 3, machine.clone), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_ANY_BIT, 1, 0, _CLONE_THREAD), refused]
    rules.append((_ANSWER, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    described = struct.pack("@HP", len(rules), ctypes.addressof(program))
    # A kernel without filters refuses this; namespaces and Landlock are then all there is.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, described, 0, 0)


if __name__ == "__main__":
    main()
