"""The way to the cluster: policies, sign-in and TLS; what cannot work is refused with one line that says how to mend it."""

from __future__ import annotations

import ssl
from pathlib import Path

from cassandra import AuthenticationFailed, ConsistencyLevel, Unauthorized, UnresolvableContactPoints
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import tuple_factory

from mesh.settings import InvalidSetting
from mesh.stores.tables.cql.address import CqlAddress
from mesh.stores.tables.cql.loop_connection import LoopThread, on_loop
from mesh.stores.tables.cql.session import DEFAULT_S, READS, WRITES
from mesh.stores.tables.port import TablesUnavailable

_CONNECT_S = 5.0
_SCHEMA_S = 30.0
"""Time limit of one change of the schema."""
_SECOND_NODE_S = 0.05
"""A read that took so long is also sent to another node; the first answer counts."""
_BACK_AFTER_S, _BACK_AT_LEAST_EVERY_S = 0.1, 1.0


def connect(address: CqlAddress, home: LoopThread) -> tuple[Cluster, Session]:
    """Connect, on the loop that is given; blocks, in another thread than that of the loop. Raises InvalidSetting or TablesUnavailable."""
    nearest = TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=address.data_centre))
    common = {"load_balancing_policy": nearest, "row_factory": tuple_factory, "consistency_level": ConsistencyLevel.LOCAL_QUORUM}
    # A write is never sent twice by the driver: only the engine knows whether that does no harm.
    profiles = {
        EXEC_PROFILE_DEFAULT: ExecutionProfile(retry_policy=FallthroughRetryPolicy(), request_timeout=_SCHEMA_S, **common),
        WRITES: ExecutionProfile(retry_policy=FallthroughRetryPolicy(), request_timeout=DEFAULT_S, **common),
        READS: ExecutionProfile(
            retry_policy=RetryPolicy(),
            speculative_execution_policy=ConstantSpeculativeExecutionPolicy(delay=_SECOND_NODE_S, max_attempts=1),
            request_timeout=DEFAULT_S,
            **common,
        ),
    }
    tls = _tls(address) if address.tls else None
    try:
        cluster = Cluster(
            contact_points=list(address.hosts),
            # Nodes that are found later, which say no port of their own, have that of the first.
            port=address.hosts[0][1],
            auth_provider=PlainTextAuthProvider(address.user, address.password) if address.user else None,
            ssl_context=tls,
            execution_profiles=profiles,
            connection_class=on_loop(home),
            reconnection_policy=ExponentialReconnectionPolicy(_BACK_AFTER_S, _BACK_AT_LEAST_EVERY_S),
            connect_timeout=_CONNECT_S,
            control_connection_timeout=_CONNECT_S,
            idle_heartbeat_interval=5,
            idle_heartbeat_timeout=5,
        )
    except UnresolvableContactPoints:
        raise InvalidSetting(f"CLIPMESH_TABLES: none of the hosts {address.names} has an address; check their names") from None
    try:
        return cluster, cluster.connect()
    except NoHostAvailable as error:
        centres = {host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter}
        cluster.shutdown()
        if address.data_centre and centres and address.data_centre not in centres:
            raise InvalidSetting(
                f"CLIPMESH_TABLES: dc={address.data_centre} has no node; {address.names} knows {', '.join(sorted(centres))}"
            ) from error
        raise _refusal(address, error) from error
    except BaseException:
        cluster.shutdown()
        raise


def _refusal(address: CqlAddress, error: NoHostAvailable) -> InvalidSetting | TablesUnavailable:
    """What is told of nodes none of which could be used."""
    reasons = list(error.errors.values()) if isinstance(error.errors, dict) else []
    for reason in reasons:
        if isinstance(reason, AuthenticationFailed):
            return InvalidSetting(
                f"CLIPMESH_TABLES: {address.names} refuses {address.user or 'a user without name'}; check user:password in the URL"
            )
        if isinstance(reason, Unauthorized):
            return InvalidSetting(f"CLIPMESH_TABLES: {address.user!r} may not read the system tables of {address.names}; grant it")
        # The driver passes on what the handshake said as an error of the socket.
        if isinstance(reason, ssl.SSLError) or (isinstance(reason, OSError) and "[SSL" in str(reason)):
            return InvalidSetting(
                f"CLIPMESH_TABLES: no TLS with {address.names}: {' '.join(str(reason).split())}; check the certificates, tls= and ca="
            )
    why = " ".join(str(reasons[0] if reasons else error).split())[:200]
    return TablesUnavailable(f"no node of {address.names} answers: {why}")


def _tls(address: CqlAddress) -> ssl.SSLContext:
    if address.ca and not Path(address.ca).is_file():
        raise InvalidSetting(f"CLIPMESH_TABLES: there is no file {address.ca}; ca= names the certificates of the authorities")
    try:
        return ssl.create_default_context(cafile=address.ca or None)
    except ssl.SSLError as error:
        raise InvalidSetting(f"CLIPMESH_TABLES: {address.ca} holds no certificates in PEM form") from error
