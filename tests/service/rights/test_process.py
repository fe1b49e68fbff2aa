"""The whole app on a real Redis: a verdict reaches the stream, and wrong settings are refused before anything is opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from clipmesh.rights.v1 import events_pb2
from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub

from mesh.events.incoming import incoming_of
from mesh.events.stream import open_stream
from mesh.pages import PageTokens
from mesh.settings import InvalidSetting, read
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for, serve_app
from svc_rights.app import RightsApp
from svc_rights.publication.policy import load
from svc_rights.settings import RightsSettings
from tests.service.rights.world import REVIEW_WORDS, facts

SETTINGS = {"CLIPMESH_SECRETS": "s", "CLIPMESH_TABLES": "sqlite:///t", "CLIPMESH_BLOBS": "file:///b", "CLIPMESH_REDIS": "redis://r"}


async def test_a_verdict_reaches_the_stream(tmp_path: Path, redis_server: RedisServer) -> None:
    settings = RightsSettings(
        secrets="", testing=True, tables=f"sqlite:///{tmp_path}", blobs=f"file://{tmp_path}/blobs", redis=redis_server.url
    )
    app = RightsApp(
        process=process_for("rights", settings=settings, named={"page_token_key": b"t" * 32, "archive_key": b"a" * 32}),
        settings=settings,
        policy=load(settings.policy_file, unclassified=settings.unclassified_policy.kind),
        tokens=PageTokens(b"t" * 32),
    )
    redis = open_redis(redis_server.url)
    try:
        async with serve_app(app) as served:
            answer = await served.stub(PublicationServiceStub, caller="video").AssessPublication(facts(caption=REVIEW_WORDS))
            async with asyncio.timeout(20):
                async for delivery in open_stream("", redis=redis).tail(["rights"], since_ms=60_000):
                    event = incoming_of(delivery.value, (events_pb2.VerdictChanged,))
                    assert event is not None
                    assert event.message.verdict == answer.verdict
                    break
    finally:
        await redis.close()


def test_the_operators_policy_is_read_by_its_word_and_other_words_are_refused() -> None:
    assert read(RightsSettings, SETTINGS).unclassified_policy.kind.name == "ALLOW"
    for word in ("ALLOW", "LIMIT", "REVIEW"):
        assert read(RightsSettings, {**SETTINGS, "CLIPMESH_UNCLASSIFIED_POLICY": word}).unclassified_policy.kind.name == word
    with pytest.raises(InvalidSetting):
        read(RightsSettings, {**SETTINGS, "CLIPMESH_UNCLASSIFIED_POLICY": "BLOCK"})
