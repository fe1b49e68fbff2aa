"""A start on Kafka: what can never work is refused in one line, a broker that is away is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devstack.ports import free_ports
from mesh.events.stream import StreamSettings, connect_stream
from mesh.events.stream.port import Stream, StreamUnavailable
from mesh.settings import InvalidSetting
from mesh.stores.redis import open_redis
from mesh.testing.stream_readers import drain, owned_by, records, values
from tests.servers import swept
from tests.servers.stream.patience import published
from tests.servers.stream.secured import PASSWORD, USER, Secured, secured


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Stream]:
    """The stream of a process that starts."""
    redis = open_redis("unix:nowhere")
    try:
        stream = await connect_stream(url, redis=redis, settings=StreamSettings(lease_ms=6_000, heartbeat_ms=250))
        try:
            yield stream
        finally:
            await stream.close()
    finally:
        await redis.close()


async def refusal(url: str) -> str:
    """How a start is refused."""
    with pytest.raises(InvalidSetting) as told:
        async with started(url):
            pass
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("CLIPMESH_EVENTS")
    return str(told.value)


async def works(url: str) -> None:
    """Publish and consume once."""
    async with started(url) as stream:
        await published(stream, records(10))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            assert sorted(set(values(await drain(await owned_by(consumption, 8), acknowledge=True)))) == list(range(10))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_url: str) -> Iterator[Secured]:
    """`kafka_url` is asked for since what keeps the shared broker from running keeps this one, too."""
    with secured(tmp_path_factory.mktemp("secured")) as found:
        yield found


async def test_a_start_makes_no_topic(own_kafka_url: str) -> None:
    async with started(own_kafka_url):
        assert await asyncio.to_thread(swept.topics_of, own_kafka_url) == []


async def test_another_number_of_partitions_is_refused_by_name(own_kafka_url: str) -> None:
    async with started(f"{own_kafka_url}&partitions=3") as stream:
        await stream.publish(records(3))
    told = await refusal(f"{own_kafka_url}&partitions=4")
    assert ".video has 3 partitions and 4 are set" in told
    assert "set partitions=3" in told
    async with started(f"{own_kafka_url}&partitions=3") as stream:
        assert sum(entry.records for entry in await stream.lag(["video"], group="g")) == 3


@pytest.mark.timed
async def test_a_broker_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    begun_at = asyncio.get_running_loop().time()
    async with started(f"kafka://127.0.0.1:{port}") as stream:
        assert asyncio.get_running_loop().time() - begun_at < 4
        with pytest.raises(StreamUnavailable):
            await stream.publish(records(1))
    assert [entry for entry in caplog.records if entry.levelno == logging.WARNING and "the event stream is away" in entry.message]


@pytest.mark.timeout(180)
async def test_a_password_opens_and_a_wrong_one_is_refused(broker: Secured) -> None:
    place = f"127.0.0.1:{broker.password}?prefix=password"
    told = await refusal(f"kafka://{USER}:wrong@{place}")
    assert "refuses user and password" in told
    assert "wrong" not in told
    await works(f"kafka://{USER}:{PASSWORD}@{place}")


@pytest.mark.timeout(180)
async def test_a_certificate_that_nobody_vouches_for_is_refused(broker: Secured) -> None:
    place = f"kafka://{USER}:{PASSWORD}@127.0.0.1:{broker.tls}?prefix=tls&tls=1"
    assert "ca=PATH" in await refusal(f"{place}&ca={broker.other_ca}")
    await works(f"{place}&ca={broker.ca}")


@pytest.mark.parametrize("content", ["", "no certificate"])
async def test_a_file_without_certificates_is_refused(tmp_path: Path, content: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(content)
    assert str(ca) in await refusal(f"kafka://127.0.0.1:1?tls=1&ca={ca}")
