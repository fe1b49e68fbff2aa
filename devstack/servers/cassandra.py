"""Cassandra from Maven Central, which speaks the CQL of ScyllaDB: one node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devstack.servers.cache import Cache
from devstack.servers.keeper import Keeper
from devstack.servers.maven import fetch_jars
from devstack.servers.probes import cql_answers
from devstack.servers.recipe import Command, Place
from devstack.servers.tools import Java, find_java

VERSION: Final = "5.0.6"
NEWEST_JAVA: Final = 23
"""It installs a security manager, which Java 18 to 23 allow when they are told to, and later ones never."""
_HEAP: Final = "640M"

_EXPORTS: Final = (
    *("java.base/jdk.internal.misc", "java.base/java.lang.ref", "java.management.rmi/com.sun.jmx.remote.internal.rmi"),
    *("java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server", "java.sql/java.sql", "jdk.unsupported/sun.misc"),
    *("jdk.compiler/com.sun.tools.javac.file", "jdk.attach/sun.tools.attach"),
)
_OPENS: Final = (
    *("java.base/java.io", "java.base/java.lang", "java.base/java.lang.module", "java.base/java.lang.reflect", "java.base/java.nio"),
    *("java.base/java.util", "java.base/jdk.internal.loader", "java.base/jdk.internal.math", "java.base/jdk.internal.module"),
    *("java.base/jdk.internal.ref", "java.base/jdk.internal.reflect", "java.base/jdk.internal.util.jar", "java.base/sun.nio.ch"),
    *("jdk.compiler/com.sun.tools.javac", "jdk.management/com.sun.management.internal"),
)
"""Insides of Java that it uses (conf/jvm17-server.options of its source)."""

_LOGGING: Final = """\
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""


@dataclass(frozen=True, slots=True)
class Cassandra:
    """One node of the data centre `datacenter1`, without passwords."""

    name: str = "cassandra"
    version: str = VERSION
    variable: str = "CLIPMESH_TABLES"
    port_count: int = 2

    @property
    def _kept_as(self) -> str:
        return f"cassandra-{self.version}"

    def fetched(self, cache: Cache) -> bool:
        """True when its jars were fetched before."""
        return cache.holds(self._kept_as)

    def fetch(self, cache: Cache, keeper: Keeper) -> None:
        """Bring its jars. Raises MissingTool, FetchFailed."""
        find_java(newest=NEWEST_JAVA)
        self._jars(cache, keeper)

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """Write the configuration; the node needs neither root nor any other user."""
        jars = self._jars(cache, keeper)
        for part in ("conf", "tmp", "logs"):
            (place.folder / part).mkdir(parents=True, exist_ok=True)
        # JSON is YAML, and needs no thought about which characters a path may have.
        (place.folder / "conf" / "cassandra.yaml").write_text(json.dumps(_settings(place), indent=1), encoding="utf-8")
        (place.folder / "conf" / "logback.xml").write_text(_LOGGING, encoding="utf-8")
        java = find_java(newest=NEWEST_JAVA)
        path = f"{place.folder / 'conf'}:{jars}/*"
        return Command(
            arguments=(str(java.binary), *_options(place, jars, java), "-cp", path, "org.apache.cassandra.service.CassandraDaemon")
        )

    def answers(self, port: int) -> bool:
        """True when it answers OPTIONS."""
        return cql_answers(port)

    def url(self, port: int) -> str:
        """The node, and the beginning of the names of the services' keyspaces."""
        return f"scylla://127.0.0.1:{port}/clipmesh?replication=1"

    def _jars(self, cache: Cache, keeper: Keeper) -> Path:
        wanted = (f"org.apache.cassandra:cassandra-all:{self.version}",)
        return cache.folder(self._kept_as, lambda folder: fetch_jars(wanted, folder, keeper=keeper))


def _settings(place: Place) -> dict[str, Any]:
    port, storage_port = place.ports
    # `periodic` acknowledges what is synced up to the period later, and a process that is killed before loses it.
    sync = {"commitlog_sync": "batch"} if place.durable else {"commitlog_sync": "periodic", "commitlog_sync_period": "10000ms"}
    seeds = [{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [{"seeds": f"127.0.0.1:{storage_port}"}]}]
    return {
        "cluster_name": "clipmesh",
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": seeds,
        "listen_address": "127.0.0.1",
        "rpc_address": "127.0.0.1",
        "storage_port": storage_port,
        "native_transport_port": port,
        "start_native_transport": True,
        "native_transport_max_threads": 32,
        "data_file_directories": [str(place.folder / "data")],
        "commitlog_directory": str(place.folder / "commitlog"),
        "saved_caches_directory": str(place.folder / "saved_caches"),
        "hints_directory": str(place.folder / "hints"),
        "cdc_raw_directory": str(place.folder / "cdc_raw"),
        **sync,
        "commitlog_segment_size": "16MiB",
        "commitlog_total_space": "256MiB",
        "memtable_allocation_type": "heap_buffers",
        "memtable_heap_space": "96MiB",
        "memtable_offheap_space": "96MiB",
        "file_cache_size": "32MiB",
        "key_cache_size": "8MiB",
        "counter_cache_size": "4MiB",
        "networking_cache_size": "16MiB",
        "prepared_statements_cache_size": "4MiB",
        "disk_access_mode": "mmap_index_only",
        "concurrent_reads": 8,
        "concurrent_writes": 8,
        "concurrent_counter_writes": 4,
        "concurrent_compactors": 1,
        "auto_snapshot": False,
        "incremental_backups": False,
        "authenticator": "AllowAllAuthenticator",
        "authorizer": "AllowAllAuthorizer",
    }


def _options(place: Place, jars: Path, java: Java) -> tuple[str, ...]:
    agents = [f"-javaagent:{jar}" for jar in jars.glob("jamm-*.jar")]
    manager = ["-Djava.security.manager=allow"] if java.version > 17 else []
    return (
        *("-server", f"-Xms{_HEAP}", f"-Xmx{_HEAP}", "-XX:MaxDirectMemorySize=256M", "-XX:+UseSerialGC", "-Xss256k", "-XX:-UsePerfData"),
        *agents,
        *manager,
        *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
        *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
        "-Djdk.attach.allowAttachSelf=true",
        *(
            "-Dio.netty.tryReflectionSetAccessible=true",
            "-Dio.netty.allocator.useCacheForAllThreads=true",
            "-Dio.netty.allocator.maxOrder=11",
        ),
        *(f"-Djava.io.tmpdir={place.folder / 'tmp'}", f"-Djna.tmpdir={place.folder / 'tmp'}", "-Djava.net.preferIPv4Stack=true"),
        f"-Dcassandra.config={(place.folder / 'conf' / 'cassandra.yaml').as_uri()}",
        f"-Dlogback.configurationFile={(place.folder / 'conf' / 'logback.xml').as_uri()}",
        *(f"-Dcassandra.storagedir={place.folder}", f"-Dcassandra.logdir={place.folder / 'logs'}", "-Dcassandra-foreground=yes"),
        # A node alone has nobody to wait for.
        *("-Dcassandra.ring_delay_ms=1", "-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.superuser_setup_delay_ms=0"),
        *("-Dcassandra.initial_token=0", "-Dcassandra.available_processors=2"),
        # Its own tables without sync: starts and new tables are quicker, and a kill may lose them.
        f"-Dcassandra.unsafesystem={'false' if place.durable else 'true'}",
    )
