"""Kafka from Maven Central: one node that is broker and controller."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack.servers.cache import Cache
from devstack.servers.keeper import Keeper
from devstack.servers.maven import fetch_jars
from devstack.servers.probes import kafka_answers
from devstack.servers.recipe import Command, Place
from devstack.servers.tools import find_java

VERSION: Final = "4.1.0"
_HEAP: Final = "256m"
_LOGGING: Final = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


@dataclass(frozen=True, slots=True)
class Kafka:
    """A broker without replicas; topics are made by those who use them."""

    name: str = "kafka"
    version: str = VERSION
    variable: str = "CLIPMESH_EVENTS"
    port_count: int = 2

    @property
    def _kept_as(self) -> str:
        return f"kafka-{self.version}"

    def fetched(self, cache: Cache) -> bool:
        """True when its jars were fetched before."""
        return cache.holds(self._kept_as)

    def fetch(self, cache: Cache, keeper: Keeper) -> None:
        """Bring its jars. Raises MissingTool, FetchFailed."""
        find_java()
        self._jars(cache, keeper)

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """Write the properties; an empty folder is formatted first, which takes a second."""
        jars = self._jars(cache, keeper)
        properties = place.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in _properties(place).items()), encoding="utf-8")
        java = (str(find_java().binary), f"-Xms{_HEAP}", f"-Xmx{_HEAP}", "-XX:+UseSerialGC", *_LOGGING, "-cp", f"{jars}/*")
        if not (place.folder / "data" / "meta.properties").is_file():
            tool = (*java, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(properties))
            keeper.fetch(tool, folder=place.folder, log=place.folder / "format.log")
        return Command(arguments=(*java, "kafka.Kafka", str(properties)))

    def answers(self, port: int) -> bool:
        """True when it answers ApiVersions."""
        return kafka_answers(port)

    def url(self, port: int) -> str:
        """The broker."""
        return f"kafka://127.0.0.1:{port}"

    def _jars(self, cache: Cache, keeper: Keeper) -> Path:
        wanted = (f"org.apache.kafka:kafka_2.13:{self.version}", "org.slf4j:slf4j-simple:1.7.36")
        return cache.folder(self._kept_as, lambda folder: fetch_jars(wanted, folder, keeper=keeper))


def _properties(place: Place) -> dict[str, str]:
    port, controller = place.ports
    once = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr")
    shared = ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr")
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(place.folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        **dict.fromkeys((*once, *shared), "1"),
        # A broker that was killed may come back when its former self is given up, after nine seconds otherwise.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        # A group of one member waits three seconds for others otherwise.
        "group.initial.rebalance.delay.ms": "0",
        "log.retention.bytes": str(256 * 2**20),
        "log.segment.bytes": str(64 * 2**20),
    }


def _cluster_id() -> str:
    """16 random bytes as Kafka writes them; what begins with a dash is read as an option."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text
