"""Places where a test may end the process at once, as a power cut would; active by environment only."""

from __future__ import annotations

import enum
import os
import signal


class Failpoint(enum.StrEnum):
    """Every place that can be named in CLIPMESH_FAILPOINTS."""

    UPLOAD_BEFORE_COMPLETE_ROW = "upload.before_complete_row"
    """The object is whole, the row still says UPLOADING."""
    UPLOAD_AFTER_COMPLETE_ROW = "upload.after_complete_row"
    """The row says PROCESSING, the client has no answer yet."""
    JOB_AFTER_OUTPUT = "job.after_output"
    """A worker wrote its outputs and has not committed the job."""
    JOB_BEFORE_COMMIT_ROW = "job.before_commit_row"
    """The service got a commit and has not written it."""
    JOB_AFTER_COMMIT_ROW = "job.after_commit_row"
    """The commit is durable, what follows from it has not begun."""
    RELAY_AFTER_PUBLISH = "relay.after_publish"
    """The stream has the events, the relay's position does not say so."""
    CONSUMER_AFTER_EFFECT = "consumer.after_effect"
    """The effect is recorded, the event is not acknowledged."""
    PUBLISH_AFTER_ASSESS = "publish.after_assess"
    """Rights stored a verdict, video has not written it."""
    VERDICT_AFTER_WRITE = "verdict.after_write"
    """Rights stored a verdict and its event, who asked has no answer yet."""
    SIGN_UP_AFTER_RESERVATION = "sign_up.after_reservation"
    """Handle and e-mail are reserved, the account is not written."""


def _armed() -> dict[str, int]:
    """Armed points with the visit at which each fires: `name` or `name:3`, separated by commas."""
    armed: dict[str, int] = {}
    for item in filter(None, os.environ.get("CLIPMESH_FAILPOINTS", "").split(",")):
        name, _, visit = item.partition(":")
        armed[Failpoint(name).value] = int(visit or 1)
    return armed


_points = _armed() if os.environ.get("CLIPMESH_TESTING") == "1" else {}


def hit(point: Failpoint) -> None:
    """End this process by SIGKILL when `point` is armed and this is its visit; cheap and without effect otherwise."""
    if not _points or point.value not in _points:
        return
    _points[point.value] -= 1
    if _points[point.value] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
