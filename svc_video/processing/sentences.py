"""What a creator is told when a clip cannot be made: one sentence for each reason, never a word of a tool."""

from __future__ import annotations

from svc_video.processing.rules import PROCESSING_FAILED

_SENTENCES = {
    "CHECKSUM_MISMATCH": "The file that arrived is not the one that was announced: its checksum differs.",
    "CORRUPT_MEDIA": "The file is damaged or incomplete, or decoding it takes more than a clip may need.",
    "DURATION_TOO_LONG": "The clip is longer than 10 minutes.",
    "DURATION_TOO_SHORT": "The clip is shorter than 15 seconds.",
    "FPS_OUT_OF_RANGE": "The clip has fewer than 1 or more than 250 pictures per second.",
    "NO_VIDEO": "The file has no video.",
    "SIZE_MISMATCH": "The file that arrived is not as large as the one that was announced.",
    "TOO_FEW_PIXELS": "The picture is smaller than 16 pixels on one side.",
    "TOO_MANY_PIXELS": "The picture is larger than 4096x2304 pixels.",
    "TOO_MANY_STREAMS": "The file has more than 16 streams.",
    "UNSUPPORTED_ASPECT_RATIO": "One side of the picture is more than four times the other.",
    "UNSUPPORTED_CODEC": "The video or its sound is encoded in a way that cannot be decoded here.",
    "UNSUPPORTED_CONTAINER": "The file is of a kind that cannot be read here.",
    PROCESSING_FAILED: "The clip could not be processed; the fault does not lie in the file.",
}
_OTHERWISE = "The file cannot be used."


def sentence_of(reason: str) -> str:
    """What a reason means to a creator."""
    return _SENTENCES.get(reason, _OTHERWISE)
