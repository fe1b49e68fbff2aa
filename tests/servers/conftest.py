"""Real servers for the tests that ask for them: started together before the first test, or those whose URLs the environment names.

`cassandra_url`, `s3_url`, `kafka_url` and `redis_url` are what the settings of Clipmesh take; `own_cassandra_url` and so on the same with keyspaces, a bucket,
topics or an empty database of the test's own. `servers` are handles, for tests that kill servers and start them again. Each worker of pytest-xdist has servers
of its own, so that a test which kills one disturbs nobody beside it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from devstack.servers.running import Servers
from tests.e2e.stage import tell_what_processes_say
from tests.servers import fresh, swept
from tests.servers.shared import RunningServers

FIXTURES: Final[Mapping[str, str]] = {"cassandra_url": "cassandra", "s3_url": "minio", "kafka_url": "kafka", "redis_url": "redis"}
_HERE: Final = Path(__file__).parent

_RUNNING: Final = pytest.StashKey[RunningServers]()
_WANTED: Final = pytest.StashKey[set[str]]()
_REFUSALS: Final = pytest.StashKey[dict[str, str]]()
_SAID: Final = "clipmesh_servers"
"""What a worker tells whoever started it."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the collected tests ask for, outside of any test's time limit: the first run of a machine fetches for minutes."""
    items = [item for item in session.items if isinstance(item, pytest.Function) and item.path.is_relative_to(_HERE)]
    if session.config.option.collectonly or not items:
        return
    config = session.config
    say = _speaker(config)
    wanted = config.stash[_WANTED] = {FIXTURES[name] for item in items for name in item.fixturenames if name in FIXTURES}
    running = config.stash[_RUNNING] = RunningServers(Servers(Path(tempfile.mkdtemp(prefix="clipmesh-servers-")), say=say))
    began = time.monotonic()
    running.begin(wanted)
    say(f"servers: {', '.join(sorted(wanted - set(running.refusals))) or 'none'} after {time.monotonic() - began:.1f} s")


def _speaker(config: pytest.Config) -> Callable[[str], None]:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.write_line if reporter is not None else print


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say loudly what was not tested."""
    running = config.stash.get(_RUNNING, None)
    refusals = config.stash.get(_REFUSALS, {}) | (running.refusals if running is not None else {})
    for name, why in refusals.items():
        terminalreporter.section(f"NOT TESTED: {name}", red=True)
        terminalreporter.write_line(why)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear what a worker could not start, and where its servers left their logs."""
    said = getattr(node, "workeroutput", {}).get(_SAID)
    if said is not None:
        node.config.stash.setdefault(_REFUSALS, {}).update(said["refusals"])
        if said["logs"]:
            _speaker(node.config)(f"\nlogs of the servers: {said['logs']}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End every server; their logs are kept when something failed."""
    running = session.config.stash.get(_RUNNING, None)
    if running is None:
        return
    running.servers.stop()
    folder = running.servers.folder
    logs = ""
    if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} or not running.servers.began:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        logs = f"{folder}/*/server.log"
        for file in folder.rglob("*"):
            if file.is_file() and file.name != "server.log":
                file.unlink(missing_ok=True)
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told[_SAID] = {"refusals": running.refusals, "logs": logs}
    elif logs:
        _speaker(session.config)(f"\nlogs of the servers: {logs}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the complaints of every process to a failed test."""
    outcome: Any = yield
    tell_what_processes_say(item, outcome.get_result())


@pytest.fixture(scope="session")
def running_servers(pytestconfig: pytest.Config) -> RunningServers:
    """The servers of this run; tests take `servers`."""
    return pytestconfig.stash[_RUNNING]


@pytest.fixture
def servers(running_servers: RunningServers, pytestconfig: pytest.Config) -> Iterator[RunningServers]:
    """Handles of the servers; a shared one is there when the test also asks for its URL."""
    yield running_servers
    running_servers.mend(pytestconfig.stash[_WANTED])


@pytest.fixture(scope="session")
def cassandra_url(running_servers: RunningServers) -> str:
    """`scylla://...` of a server that all tests share."""
    return running_servers.url("cassandra")


@pytest.fixture(scope="session")
def s3_url(running_servers: RunningServers) -> str:
    """`s3://...` of a server that all tests share."""
    return running_servers.url("minio")


@pytest.fixture(scope="session")
def kafka_url(running_servers: RunningServers) -> str:
    """`kafka://...` of a server that all tests share."""
    return running_servers.url("kafka")


@pytest.fixture(scope="session")
def redis_url(running_servers: RunningServers) -> str:
    """`redis://...` of a server that all tests share."""
    return running_servers.url("redis")


@pytest.fixture
def own_cassandra_url(cassandra_url: str) -> Iterator[str]:
    """Keyspaces that are not there yet, dropped after the test: a node has memory for few hundred tables."""
    url = fresh.keyspaces(cassandra_url)
    yield url
    swept.keyspaces(url)


@pytest.fixture(scope="session")
def _keyspaces_of_systems(cassandra_url: str) -> Iterator[str]:
    url = fresh.keyspaces(cassandra_url)
    yield url
    swept.keyspaces(url)


@pytest.fixture(scope="module")
def system_keyspaces(_keyspaces_of_systems: str) -> str:
    """Keyspaces that the whole systems of a run have one after the other, without a row of the one before."""
    swept.rows(_keyspaces_of_systems)
    return _keyspaces_of_systems


@pytest.fixture
def own_s3_url(s3_url: str) -> str:
    """A bucket that is not there yet."""
    return fresh.bucket(s3_url)


@pytest.fixture
def own_kafka_url(kafka_url: str) -> Iterator[str]:
    """Topics that are not there yet, deleted after the test."""
    url = fresh.topics(kafka_url)
    yield url
    swept.topics(url)


@pytest.fixture
def own_redis_url(redis_url: str) -> str:
    """An empty database; what the tests before wrote is gone."""
    swept.database(redis_url)
    return redis_url
