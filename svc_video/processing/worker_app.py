"""The worker process: `python -m svc_video worker`."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from mesh.app import Dependency, Process
from mesh.neighbours import neighbour
from mesh.server import RefusedToStart, ServedService
from mesh.stores.blobs import open_blobs
from mesh.stores.protected.blobs import protected_blobs
from svc_video.processing.media import MediaToolFailed, MediaTools, choose_encoder, locate_tools, recipe_version
from svc_video.processing.worker.loop import Worker
from svc_video.processing.worker.room import jobs_here
from svc_video.processing.worker.scratch import Scratch
from svc_video.processing.worker.settings import WorkerSettings
from svc_video.processing.worker.steps import Steps

_log = logging.getLogger("clipmesh.video.worker")


class WorkerApp:
    """Serves nothing: it asks the video service for jobs."""

    services: Sequence[ServedService] = ()

    def __init__(self, *, process: Process, settings: WorkerSettings) -> None:
        self.process = process
        self._settings = settings
        self._blobs = protected_blobs(open_blobs(settings.blobs, clock=process.clock, url_key=b""), telemetry=process.telemetry)
        self._scratch = Scratch(root=Path(settings.scratch), blobs=self._blobs)
        self._stub = process.channels.stub(JobServiceStub, "video", idempotent={"Heartbeat", "CommitJob", "FailJob"})
        self._worker: Worker | None = None
        self._running: asyncio.Task[None] | None = None
        self.dependencies: Mapping[str, Dependency] = {
            "blobs": Dependency(lambda: self._blobs.list("raw/", limit=1)),
            "video": neighbour(process.channels, "video"),
        }

    async def start(self) -> None:
        """Find the tools, clean the scratch folder, begin to work."""
        found = await asyncio.to_thread(locate_tools)
        await self._blobs.prepare()
        await self._scratch.open()
        tools = await self._with_encoder(found)
        self._worker = Worker(
            worker_id=f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}",
            stub=self._stub,
            steps=Steps(tools=tools, blobs=self._blobs, scratch=self._scratch, telemetry=self.process.telemetry),
            scratch=self._scratch,
            clock=self.process.clock,
            heartbeat_ms=self._settings.job_heartbeat_ms,
            wait_ms=self._settings.job_wait_ms,
            telemetry=self.process.telemetry,
            jobs=self._settings.jobs or jobs_here(),
            recipe=recipe_version(tools.version),
        )
        self._running = asyncio.create_task(self._worker.run())

    async def _with_encoder(self, tools: MediaTools) -> MediaTools:
        try:
            chosen, reasons = await choose_encoder(tools, self._settings.job_encoder, scratch=Path(self._settings.scratch))
        except MediaToolFailed as error:
            await self._scratch.close()
            raise RefusedToStart(f"CLIPMESH_JOB_ENCODER={self._settings.job_encoder} cannot be used: {error.problem}") from error
        for reason in reasons:
            _log.warning("an encoder of this machine is not used", extra={"reason": reason})
        _log.info("H.264 is encoded", extra={"reason": chosen.encoder.name})
        return chosen

    async def stop(self) -> None:
        """Give the jobs at hand back and remove the scratch folder."""
        if self._worker is not None and self._running is not None:
            self._worker.stop()
            await self._running
        await self._scratch.close()
        await self._blobs.close()


def build(settings: WorkerSettings) -> WorkerApp:
    """The app of a worker."""
    return WorkerApp(process=Process.open(settings), settings=settings)
