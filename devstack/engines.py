"""Which engines keep things, and which derived stores can be made anew: what this release has not is refused by name."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NoReturn

from devstack.system import StartRefused


class Engines(enum.StrEnum):
    """Where a system keeps things."""

    EMBEDDED = "embedded"
    """In the folder, with what comes with pip."""
    DISTRIBUTED = "distributed"
    """In servers whose URLs the environment names."""


_ABSENT: Final = {"CLIPMESH_TABLES": "scylla://", "CLIPMESH_BLOBS": "s3://", "CLIPMESH_EVENTS": "kafka://"}

REBUILDS: Final = {
    "search": "this release has no search, so there is no index to rebuild",
    "vectors": "this release has no vectors, so there is no index to rebuild",
    "graph": "this release has no derivations, so there is no graph to rebuild",
    "cache": "caches live in the memory of each process and are empty after a start: restart the process",
    "counts": "no counts stand apart from what they count: views are in the watch ledger, uses of a sound are its rows",
}
"""Derived stores by their word on the command line, and why each cannot be rebuilt."""


def check_engines(engines: Engines, environment: Mapping[str, str]) -> None:
    """StartRefused for engines that are not there, with every store that lacks one."""
    if engines is Engines.EMBEDDED:
        return
    lacking = [f"{scheme} for {name} ({'set' if environment.get(name) else 'not set'})" for name, scheme in _ABSENT.items()]
    raise StartRefused(f"--engines distributed: this release has no engine of {', '.join(lacking)}; leave it out for the embedded ones")


def refuse_rebuild(store: str) -> NoReturn:
    """StartRefused with the reason for which the store cannot be rebuilt."""
    raise StartRefused(f"rebuild {store}: {REBUILDS[store]}")
