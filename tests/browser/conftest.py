"""One fake gateway for all page tests, one empty browser for each; the whole suite shares one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.chromium import running_chromium, visitor
from tests.browser.fake_gateway import FakeGateway
from tests.browser.fake_media import make_media
from tests.browser.fake_world import World
from tests.browser.visits import Visits


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Path:
    folder = tmp_path_factory.mktemp("media")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: make_media(folder / f"clip{seed}", seed=seed), (1, 2, 3)))
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fake(media: Path) -> AsyncIterator[FakeGateway]:
    async with FakeGateway(media=media).serve() as gateway:
        yield gateway


@pytest.fixture
def world(fake: FakeGateway) -> World:
    return fake.fresh_world()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, fake: FakeGateway, world: World) -> AsyncIterator[Page]:
    """A desktop page of a new visitor; what its scripts complain about fails the test."""
    async with visitor(chromium, fake.origin) as context, Visits.page(context) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def phone_page(chromium: Browser, fake: FakeGateway, world: World) -> AsyncIterator[Page]:
    """A phone-sized page."""
    async with visitor(chromium, fake.origin, phone=True) as context, Visits.page(context) as one:
        yield one
