"""Which engines keep things, as the command line and the environment say; and which derived stores can be made anew."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final, NoReturn

from devstack.stores import EMBEDDED, STORES, Store, scheme_of, shown
from devstack.system import StartRefused
from mesh.settings import InvalidSetting

EXTRA: Final = "pip install 'clipmesh[cluster]'"


class Engines(enum.StrEnum):
    """Where a system keeps things."""

    EMBEDDED = EMBEDDED
    """In the folder, with what comes with pip."""
    DISTRIBUTED = "distributed"
    """In servers whose URLs the environment names."""


HOW: Final = (
    f"distributed: all stores are servers, whose URLs {', '.join(store.variable for store in STORES.values())} have to name; embedded: all are in the "
    "folder, whatever these say; without the option those that are set are used, and the other stores are embedded"
)
"""For --help."""

REBUILDS: Final = {
    "search": "this release has no search, so there is no index to rebuild",
    "vectors": "this release has no vectors, so there is no index to rebuild",
    "graph": "this release has no derivations, so there is no graph to rebuild",
    "cache": "caches live in the memory of each process and are empty after a start: restart the process",
    "counts": "no counts stand apart from what they count: views are in the watch ledger, uses of a sound are its rows",
}
"""Derived stores by their word on the command line, and why each cannot be rebuilt."""


def chosen(engines: Engines | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The URLs of the stores that are not embedded, by their variable; `engines` None takes those that are set.

    StartRefused when one is missing that has to be set, names no engine, cannot be read, or needs a driver that is not installed.
    """
    if engines is Engines.EMBEDDED:
        return {}
    named = {store.variable: environment[store.variable] for store in STORES.values() if environment.get(store.variable)}
    if engines is Engines.DISTRIBUTED:
        missing = [
            f"{store.variable} ({store.server})"
            for store in STORES.values()
            if store.variable not in named and not (store.may_be_empty and store.variable in environment)
        ]
        if missing:
            raise StartRefused(f"--engines distributed: not set: {', '.join(missing)}; `clipmesh servers` starts servers for a try")
    for store in STORES.values():
        if store.variable in named:
            _check(store, named[store.variable], servers_only=engines is Engines.DISTRIBUTED)
    return named


def _check(store: Store, url: str, *, servers_only: bool) -> None:
    scheme = scheme_of(url)
    if scheme not in store.drivers and (servers_only or scheme != store.embedded):
        raise StartRefused(f"{store.variable}={shown(url)} names no server: write {store.server}")
    if scheme in store.drivers:
        try:
            store.read(url)
        except InvalidSetting as refusal:
            raise StartRefused(str(refusal)) from refusal
    driver = store.drivers.get(scheme)
    if driver and find_spec(driver) is None:
        raise StartRefused(f"{store.variable}={shown(url)} needs a driver that is not installed: {EXTRA}")


def refuse_rebuild(store: str) -> NoReturn:
    """StartRefused with the reason for which the store cannot be rebuilt."""
    raise StartRefused(f"rebuild {store}: {REBUILDS[store]}")
