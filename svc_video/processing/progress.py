"""How far processing of a video is, from its rows alone: half of the bar until it plays, half for the other renditions."""

from __future__ import annotations

from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import AUDIO_KEY, FIRST, PACKAGE_FIRST_KEY, PACKAGE_REST_KEY, PROBE_KEY, REST, JobState, chunk_key
from svc_video.videos.actions import ProcessingStage

_PROBED, _FIRST_ENCODED, _PLAYABLE, _REST_ENCODED, _COMPLETE = 5, 45, 50, 95, 100
_AUDIO_WEIGHT = 0.2
"""What the audio costs, measured in chunks."""


def progress_of(video: VideoJobs) -> tuple[ProcessingStage, int]:
    """The stage that people are shown, and percent of the whole, 0 to 100."""
    probed = video.probed
    if probed is None:
        stage = ProcessingStage.PROBING if video.jobs[PROBE_KEY].state is JobState.LEASED else ProcessingStage.QUEUED
        return stage, int(_PROBED * _share(video, PROBE_KEY))
    group = REST if video.is_done(PACKAGE_FIRST_KEY) else FIRST
    weights = {chunk_key(group, index): 1.0 for index in range(probed.chunks)}
    if group == FIRST and probed.has_audio:
        weights[AUDIO_KEY] = _AUDIO_WEIGHT
    encoded = sum(weight * _share(video, key) for key, weight in weights.items()) / sum(weights.values())
    if group == FIRST:
        packaged = _share(video, PACKAGE_FIRST_KEY)
        return ProcessingStage.ENCODING_FIRST, int(_PROBED + (_FIRST_ENCODED - _PROBED) * encoded + (_PLAYABLE - _FIRST_ENCODED) * packaged)
    packaged = _share(video, PACKAGE_REST_KEY)
    return ProcessingStage.ENCODING_REST, int(_PLAYABLE + (_REST_ENCODED - _PLAYABLE) * encoded + (_COMPLETE - _REST_ENCODED) * packaged)


def _share(video: VideoJobs, job_key: str) -> float:
    """How much of a job is done, 0 to 1."""
    job = video.jobs.get(job_key)
    if job is None or job.state is JobState.CLOSED:
        return 0.0
    return 1.0 if job.state is JobState.DONE else job.progress_percent / 100
