"""Runs the video service: `python -m svc_video`; with `worker`, one media worker."""

import sys

from mesh.app import run
from svc_video import app, settings
from svc_video.processing import worker_app
from svc_video.processing.worker import settings as worker_settings

if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        run(worker_app.build, worker_settings.WorkerSettings)
    else:
        run(app.build, settings.VideoSettings)
