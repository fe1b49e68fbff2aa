"""The whole video service as one process would run it: own stores, own loops, a real Redis, and a restart in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from clipmesh.common.v1 import envelope_pb2
from clipmesh.video.v1 import events_pb2, job_service_pb2
from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceStub

from mesh.events.stream import open_stream
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.redis import Redis
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import Served, process_for, serve, serve_app, viewer
from svc_video.app import VideoApp
from svc_video.layout import raw_key
from svc_video.settings import VideoSettings
from tests.fixtures.redis import redis, redis_server  # noqa: F401
from tests.service.video.neighbours import FakeRights, FakeSocial, FakeSound
from tests.service.video.world import ALICE, NAMED


@asynccontextmanager
async def video_service(folder: Path, server: RedisServer) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        neighbours = {"rights": FakeRights().served, "social": FakeSocial().served, "sound": FakeSound().served}
        addresses = {name: (await stack.enter_async_context(serve(fake, service=name))).address for name, fake in neighbours.items()}
        settings = VideoSettings(
            secrets="", testing=True, tables=f"sqlite:///{folder}/tables", blobs=f"file:///{folder}/blobs", redis=server.url
        )
        process = process_for("video", addresses=addresses, named=NAMED, settings=settings)
        yield await stack.enter_async_context(serve_app(VideoApp(process=process, settings=settings)))


async def test_an_upload_survives_a_restart_and_reaches_workers_and_readers(
    tmp_path: Path,
    redis: Redis,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
) -> None:
    stream = open_stream("", redis=redis)
    heard: list[bytes] = []

    async def listen() -> None:
        async for delivery in stream.tail(["video", "video.progress"], since_ms=60_000):
            heard.append(delivery.value)

    listening = asyncio.create_task(listen())
    async with video_service(tmp_path, redis_server) as served:
        uploads = served.stub(UploadServiceStub, viewer=viewer(user_id=ALICE))
        start = pb2.StartUploadRequest(request_id="r", size_bytes=5, mime_type="video/mp4", duration_ms=20_000)
        upload_id = (await uploads.StartUpload(start)).upload.upload_id
        signed = (await uploads.SignUploadParts(pb2.SignUploadPartsRequest(upload_id=upload_id, part_numbers=[1]))).parts[0]
    blobs = open_blobs(f"file:///{tmp_path}/blobs", clock=served.process.clock, url_key=NAMED["blob_url_key"])
    door = upload_door(blobs)
    assert door is not None

    async def body() -> AsyncIterator[bytes]:
        yield b"bytes"

    path, _, query = signed.url.partition("?")
    await door.receive(door.read_link(path, query), body())
    await blobs.close()
    async with video_service(tmp_path, redis_server) as served:
        uploads = served.stub(UploadServiceStub, viewer=viewer(user_id=ALICE))
        done = (await uploads.CompleteUpload(pb2.CompleteUploadRequest(upload_id=upload_id))).upload
        assert done.state == pb2.UPLOAD_STATE_COMPLETED
        workers = served.stub(JobServiceStub, caller="video")
        job = (await workers.LeaseJob(job_service_pb2.LeaseJobRequest(worker_id="w", wait_ms=5_000))).job
        assert (job.video_id, job.kind, job.source_key) == (upload_id, job_service_pb2.JOB_KIND_PROBE, raw_key(upload_id))
        wanted = events_pb2.UploadCompleted(video_id=upload_id, creator_id=ALICE, size_bytes=5).SerializeToString(deterministic=True)
        async with asyncio.timeout(20):
            while not any(envelope_pb2.EventEnvelope.FromString(value).payload == wanted for value in heard):
                await asyncio.sleep(0.02)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await stream.close()
