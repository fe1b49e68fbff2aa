"""`run` as a service's __main__ uses it: a real process that starts, serves, drains on a signal, and refuses what is wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sqlite3
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.stores.tables import open_tables
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder
from mesh.testing.rpc import SERVICES, private_key_of, secrets_for
from tests.contract.rpc.probe import ListReviewsRequest, Stub
from tests.fixtures.children import child

ROOT = Path(__file__).parents[3]

APP = """
    import asyncio, sys
    from dataclasses import dataclass
    from mesh.app import Process, ServiceSettings, run
    from mesh.backbone import Backbone
    from mesh.neighbours import neighbour
    from tests.contract.rpc.probe import ListReviewsResponse, Probe, served_by

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings(ServiceSettings):
        slow_ms: int = 0
        neighbour: str = ""
        tables: str = ""
        redis: str = ""
        events: str = ""

    class App:
        def __init__(self, process):
            self.process, self.dependencies = process, {}
            self.services = (served_by(Probe(lists=self.lists)),)
            self.open = False

        async def start(self):
            self.open = True
            settings = self.process.settings
            if settings.neighbour:
                neighbour(self.process.channels, settings.neighbour)
            if settings.tables:
                self.backbone = await Backbone.open(
                    self.process, tables=settings.tables, redis=settings.redis, events=settings.events, row_types=()
                )

        async def stop(self):
            self.open = False
            print("stopped", flush=True)

        async def lists(self, request):
            print("begun", flush=True)
            await asyncio.sleep(self.process.settings.slow_ms / 1000)
            return ListReviewsResponse(next_page_token=f"open {self.open} {type(asyncio.get_running_loop()).__module__}")

    run(lambda settings: App(Process.open(settings)), Settings)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that holds the secrets of rights."""
    peers = {peer: base64.b64encode(secrets_for(peer)._public[peer].public_bytes_raw()).decode() for peer in SERVICES}
    secrets = {"service": "rights", "private_key": base64.b64encode(private_key_of("rights")).decode(), "peers": peers, "named": {}}
    with socket_folder() as path:
        (path / "secrets.json").write_text(json.dumps(secrets))
        yield path


def running(folder: Path, **environment: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPMESH_")}
    given = {
        "CLIPMESH_SECRETS": "secrets.json",
        "CLIPMESH_RIGHTS_ADDRESS": "unix:run/rights.sock",
        "CLIPMESH_DRAIN_WAIT_MS": "50",
        **environment,
    }
    return child(
        sys.executable,
        "-c",
        textwrap.dedent(APP),
        cwd=folder,
        env={**kept, **given, "PYTHONPATH": f"{ROOT}:{ROOT}/codegen/python"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def log_until(process: asyncio.subprocess.Process, message: str) -> dict[str, Any]:
    assert process.stderr is not None
    async for line in process.stderr:
        if (record := json.loads(line))["message"] == message:
            return record
    raise AssertionError(f"the process ended without saying {message!r}")


async def test_a_process_serves_and_ends_only_after_its_calls(folder: Path) -> None:
    async with running(folder, CLIPMESH_SLOW_MS="300", CLIPMESH_METRICS="unix:run/metrics.sock") as process:
        record = await log_until(process, "serving")
        assert (record["service"], record["address"], record["level"]) == ("rights", "unix:run/rights.sock", "INFO")
        channels = Channels(
            secrets=secrets_for("gateway"),
            clock=SystemClock(),
            telemetry=Telemetry(service="gateway"),
            addresses={"rights": f"unix:{folder}/run/rights.sock"},
        )
        call = asyncio.create_task(channels.stub(Stub, "rights").ListReviews(ListReviewsRequest()))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        reader, writer = await asyncio.open_unix_connection(folder / "run" / "metrics.sock")
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        assert 'clipmesh_limiter_in_flight{service="rights"} 1.0' in page
        process.send_signal(signal.SIGTERM)
        assert (await call).next_page_token == "open True uvloop"
        assert await process.stdout.readline() == b"stopped\n"
        assert await process.wait() == 0
        await channels.close()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CLIPMESH_SECRETS": "nowhere.json"}, "secrets file nowhere.json cannot be read"),
        ({"CLIPMESH_RIGHTS_ADDRESS": ""}, "neither CLIPMESH_LISTEN nor CLIPMESH_RIGHTS_ADDRESS is set"),
        ({"CLIPMESH_CONCURRENCY_LIMIT": "0"}, "CLIPMESH_CONCURRENCY_LIMIT has to be at least 1"),
        ({"CLIPMESH_CLOCK": "file:clock"}, "needs CLIPMESH_TESTING=1"),
        ({"CLIPMESH_TRACES": "somewhere"}, "CLIPMESH_TRACES='somewhere' is not understood"),
        ({"CLIPMESH_NEIGHBOUR": "social"}, "CLIPMESH_SOCIAL_ADDRESS is not set"),
        ({"CLIPMESH_METRICS": "somewhere"}, "CLIPMESH_METRICS='somewhere' is neither unix:PATH nor HOST:PORT"),
        ({"CLIPMESH_METRICS": "127.0.0.1:70000"}, "CLIPMESH_METRICS='127.0.0.1:70000' is neither unix:PATH nor HOST:PORT"),
        ({"CLIPMESH_METRICS": "unix:/proc/none.sock"}, "CLIPMESH_METRICS='unix:/proc/none.sock' cannot be listened on"),
        (
            {"CLIPMESH_TABLES": "sqlite:///tables", "CLIPMESH_REDIS": "http://me:hidden@redis"},
            "CLIPMESH_REDIS='http://***@redis' is no Redis URL",
        ),
        ({"CLIPMESH_TABLES": "sqlite:///tables", "CLIPMESH_REDIS": "redis://h:x"}, "CLIPMESH_REDIS='redis://h:x': Port could not be"),
        (
            {"CLIPMESH_TABLES": "sqlite:///tables", "CLIPMESH_REDIS": "unix:r", "CLIPMESH_EVENTS": "kafka://k?tls=9"},
            "tls=9 has to be 0 or 1",
        ),
        (
            {"CLIPMESH_TABLES": "sqlite:///tables", "CLIPMESH_REDIS": "unix:r", "CLIPMESH_EVENTS": "kafka://me@k.example"},
            "user and password belong together, as in kafka://user:password@host:9092",
        ),
        (
            {"CLIPMESH_TABLES": "scylla://me:hidden@c.example/Clips", "CLIPMESH_REDIS": "unix:r"},
            "write scylla://[user:password@]host[:port],host[:port]/keyspace[",
        ),
        ({"CLIPMESH_TABLES": "sqlite:///held", "CLIPMESH_REDIS": "unix:r"}, "held/rights.db is open in process"),
        ({"CLIPMESH_TABLES": "sqlite:///newer", "CLIPMESH_REDIS": "unix:r"}, "is newer than the code's 1; start the release that wrote it"),
    ],
)
async def test_wrong_settings_are_refused_by_name(folder: Path, environment: dict[str, str], words: str) -> None:
    held = await open_tables(f"sqlite:///{folder}/held", service="rights", row_types=(), clock=SystemClock())
    newer = await open_tables(f"sqlite:///{folder}/newer", service="rights", row_types=(), clock=SystemClock())
    await newer.close()
    with closing(sqlite3.connect(folder / "newer" / "rights.db")) as file:
        file.execute("PRAGMA user_version = 99")
    async with running(folder, **environment) as process:
        out, errors = await process.communicate()
    await held.close()
    assert b"Traceback" not in errors
    assert b"hidden" not in errors
    records = [json.loads(line) for line in errors.splitlines()]
    assert process.returncode == 2, records
    assert words in records[-1]["message"]
    assert [record["level"] for record in records].count("ERROR") == 1
    assert b"begun" not in out
