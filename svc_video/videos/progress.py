"""How far processing is, for people who wait: held in memory, never a fact, told as hints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svc_video.videos.tables import MediaState, ProcessingStage, Video

HINT_TOPIC = "video.progress"

Hint = Callable[[int, int], None]
"""Tells tailing readers that a video's progress moved: video_id, version. Never blocks, never raises."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where processing of one video stands."""

    stage: ProcessingStage
    percent: int


_BY_MEDIA_STATE = {
    MediaState.UPLOADING: Progress(ProcessingStage.UNSPECIFIED, 0),
    MediaState.PROCESSING: Progress(ProcessingStage.QUEUED, 0),
    MediaState.PLAYABLE: Progress(ProcessingStage.ENCODING_REST, 50),
    MediaState.COMPLETE: Progress(ProcessingStage.DONE, 100),
    MediaState.FAILED: Progress(ProcessingStage.FAILED, 100),
}
"""What the row alone tells: the least that is shown, also after a restart. A failure ends the whole of processing, so the percentage does not fall."""


class ProgressBoard:
    """The latest report of each video under way."""

    def __init__(self, *, hint: Hint) -> None:
        self._hint = hint
        self._reports: dict[int, Progress] = {}

    def report(self, video_id: int, *, stage: ProcessingStage, percent: int) -> None:
        """Note progress; neither stage nor percentage ever falls. A report that changes something is hinted."""
        last = self._reports.get(video_id, Progress(ProcessingStage.UNSPECIFIED, 0))
        now = Progress(max(last.stage, stage), max(last.percent, min(max(percent, 0), 100)))
        if now != last:
            self._reports[video_id] = now
            self._hint(video_id, now.stage * 1_000 + now.percent)

    def moved(self, video: Video) -> None:
        """Hint that the row itself moved; a video that needs no more reports is forgotten."""
        progress = self.of(video)
        if video.media_state in {MediaState.COMPLETE, MediaState.FAILED} or video.is_over:
            self._reports.pop(video.video_id, None)
        self._hint(video.video_id, progress.stage * 1_000 + progress.percent)

    def of(self, video: Video) -> Progress:
        """Where processing of a video stands: the report, but at least what its row says."""
        least = _BY_MEDIA_STATE[video.media_state]
        report = self._reports.get(video.video_id)
        if report is None or video.media_state in {MediaState.UPLOADING, MediaState.COMPLETE, MediaState.FAILED}:
            return least
        # Only the row says that everything is done or failed, or that the clip plays.
        most = ProcessingStage.ENCODING_REST if video.media_state is MediaState.PLAYABLE else ProcessingStage.ENCODING_FIRST
        return Progress(min(max(least.stage, report.stage), most), min(max(least.percent, report.percent), 99))
