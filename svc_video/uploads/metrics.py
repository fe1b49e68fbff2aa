"""What upload sessions and the comparison of rows and bucket count, and what an operator does when it moves."""

from __future__ import annotations

import enum
from typing import Final

from mesh.telemetry import Kind, Metric
from svc_video.layout import AUDIO_PREFIX, IMAGES_PREFIX, RAW_PREFIX, TAILS_PREFIX, VIDEO_PREFIX, WORK_PREFIX


class Lost(enum.StrEnum):
    """What a row says is there, and is not."""

    SOURCE = "SOURCE_LOST"
    """The creator's file."""
    PLAYBACK = "PLAYBACK_LOST"
    """Something that players fetch: a playlist, a segment, the file."""
    AUDIO = "AUDIO_LOST"
    """The audio of which a sound is made."""
    PICTURES = "PICTURES_LOST"
    """Something that shows the clip: poster, preview, storyboard, waveform."""


_PREFIXES: Final = frozenset({RAW_PREFIX, TAILS_PREFIX, WORK_PREFIX, VIDEO_PREFIX, IMAGES_PREFIX, AUDIO_PREFIX})

ENDED: Final = Metric(
    name="video_uploads_ended_total",
    kind=Kind.COUNTER,
    help="Upload sessions by how they ended: completed, given up by their creator (aborted), or never completed within a day (expired).",
    labels={"end": frozenset({"completed", "aborted", "expired"})},
    when_it_moves="More expired than one in a hundred: uploads break off; look at rpc_server_calls_total of CompleteUpload and at dependency_up of blobs.",
)
ORPHANS: Final = Metric(
    name="video_orphaned_objects_total",
    kind=Kind.COUNTER,
    help="Objects and open multipart uploads that belonged to no row and were removed, by prefix.",
    labels={"prefix": _PREFIXES},
    when_it_moves="A few: processes died between bytes and rows. Many: something writes under our prefixes that is not ours.",
)
SWEEP_HELD: Final = Metric(
    name="video_sweep_held",
    kind=Kind.GAUGE,
    help="1 while the last comparison of rows and bucket changed nothing because too much did not match.",
    labels={"way": frozenset({"bucket", "rows"})},
    when_it_moves="1: CLIPMESH_TABLES and CLIPMESH_BLOBS are not of the same system, or one was restored without the other. Nothing was removed "
    "and nothing was failed for it; put the right pair together.",
)
MISSING: Final = Metric(
    name="video_missing_bytes",
    kind=Kind.GAUGE,
    help="Clips whose rows name bytes that the store does not have, by what is missing, as of the last comparison of all rows.",
    labels={"what": frozenset(Lost)},
    when_it_moves="Above 0: the store lost objects; restore them from its backup, or have a clip that plays made once more of its source: "
    "`clipmesh jobs redo --whole VIDEO`. The log names each clip. SOURCE_LOST ends clips that do not play yet, with that failure code; clips that play "
    "stay as they are.",
)
