"""Each consumer of each service under many orders of delivery, with repeats and late news (200 in the long tier): all end alike, and what is heard
again changes nothing."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import svc_feed
import svc_rights
import svc_social
import svc_sound
import svc_video
from mesh.events.shapes import Consumer
from tests.service.consumers import of_others, of_pictures, of_social
from tests.service.consumers.orders import History, prove

HISTORIES = (*of_social.HISTORIES, *of_others.HISTORIES, *of_pictures.HISTORIES)
ORDERS, LONG_ORDERS = 30, 200
SERVICES = (svc_feed, svc_rights, svc_social, svc_sound, svc_video)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
@pytest.mark.timeout(180)
async def test_many_orders_of_duplicate_and_late_events_end_alike(tmp_path: Path, history: History) -> None:
    await prove(history, tmp_path, orders=ORDERS)


@pytest.mark.long
@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
@pytest.mark.timeout(600)
async def test_two_hundred_orders_end_alike_and_all_of_them_again(tmp_path: Path, history: History) -> None:
    await prove(history, tmp_path, orders=LONG_ORDERS, again=1)


def test_every_consumer_of_every_service_is_proven_once() -> None:
    for service in SERVICES:
        _import_all(service)
    written = {one for one in _below(Consumer) if one.__module__.partition(".")[0].startswith("svc_")}
    proven = Counter(consumer for history in HISTORIES for consumer in history.consumers)
    assert set(proven) == written
    assert set(proven.values()) == {1}


def _import_all(service: ModuleType) -> None:
    for module in pkgutil.walk_packages(service.__path__, f"{service.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _below(kind: type) -> set[type]:
    """Every class below one, of those that nobody derives from."""
    kinds: list[type] = kind.__subclasses__()
    return {one for child in kinds for one in (_below(child) or {child})}
