"""Persisted nouns of consents."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Guard, Partition, table


@table("withdrawals", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """When a person last withdrew the consent to personalisation; the version is that moment. Nothing from before it may be used, also after the
    person consents again."""

    viewer_id: Partition[int]
    withdrawn_at_ms: int = 0
    version: int = 0
