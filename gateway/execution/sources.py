"""Which documents may be asked, as the settings say."""

from __future__ import annotations

from gateway.admission import Admission
from gateway.execution.allowed import allowed_documents
from gateway.execution.engine import Engine
from gateway.execution.persisted import DocumentSource, KeptDocuments
from gateway.settings import GatewaySettings
from mesh.clock import Clock
from mesh.stores.redis import Redis


def document_source(settings: GatewaySettings, engine: Engine, *, redis: Redis, clock: Clock, admission: Admission) -> DocumentSource:
    """Those of a list, else all, of which those are kept that are asked by their hash. Raises InvalidManifest."""
    if settings.graphql_allowed:
        return allowed_documents(settings.graphql_allowed, engine)
    return KeptDocuments(
        redis=redis,
        clock=clock,
        admission=admission,
        characters=settings.graphql_persisted_characters,
        local_characters=settings.graphql_persisted_local,
        ttl_ms=settings.graphql_persisted_ms,
    )
