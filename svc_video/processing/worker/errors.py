"""Why a worker could not do a job, beside what the toolbox and the blob store say.

WorkerError
├── SourceRejected    the stored file is not the declared one: no retry will change that
├── SourceChanged     the stored file is not the one that was probed
├── RecipeChanged     this worker's tools make other bytes than the plan says
└── LeaseGone         the job belongs to another worker now: stop, say nothing
"""

from __future__ import annotations


class WorkerError(Exception):
    """Base of what a worker raises on purpose."""


class SourceRejected(WorkerError):
    """The stored file differs from what its creator declared."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SourceChanged(WorkerError):
    """The stored file differs from the one whose facts the plan follows: the copy is damaged, or the object is."""


class RecipeChanged(WorkerError):
    """The recipe of the plan is not the one these tools follow."""


class LeaseGone(WorkerError):
    """The lease is lost; whatever the worker made is not wanted from it."""
