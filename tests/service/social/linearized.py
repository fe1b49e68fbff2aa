"""Which states one thing may be in after acts that overlapped: those that some order of them ends in, with what each was answered.

The search is that of J. Wing and C. Gong, Testing and Verifying Concurrent Objects (1993), with states already seen left out (G. Lowe, Testing for
Linearizability, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

S = TypeVar("S", bound=Hashable)

NEVER: Final = math.inf
"""When something ended that nobody heard the end of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Op(Generic[S]):
    """Something that was asked for at one moment and answered at a later one; in between it was done, at once."""

    begun: float
    ended: float
    after: Callable[[S], Iterable[S]]
    """States that may follow; none where its answer would have been another one."""
    may_be_lost: bool = False
    """Whether it may never have been done at all."""
    what: str = ""


def outcomes(first: S, ops: Sequence[Op[S]]) -> set[S]:
    """The states that may stand in the end; empty when no order explains what was answered."""
    found: set[S] = set()
    seen: set[tuple[int, S]] = set()
    waiting = [(0, first)]
    everything = (1 << len(ops)) - 1
    must = sum(1 << at for at, op in enumerate(ops) if not op.may_be_lost)
    while waiting:
        done, state = waiting.pop()
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if done & must == must:
            found.add(state)
        left = [at for at in range(len(ops)) if not done >> at & 1]
        soonest = min((ops[at].ended for at in left if must >> at & 1), default=NEVER)
        for at in left:
            # What was asked for after another was answered cannot have been done before it.
            if ops[at].begun < soonest or (must >> at & 1 and ops[at].ended == soonest):
                waiting += [((done | 1 << at) & everything, state) for state in ops[at].after(state)]
    return found
