"""A gateway whose store of objects is away when it starts answers everything else."""

from __future__ import annotations

import pytest

from mesh.settings import InvalidSetting
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobsAway, Upkeep
from tests.gateway.conftest import Opening
from tests.gateway.world import token


def refused_with(refusal: InvalidSetting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the gateway's store end so."""

    async def prepare(_: FileBlobs, upkeep: Upkeep | None = None) -> None:
        raise refusal

    monkeypatch.setattr(FileBlobs, "prepare", prepare)


async def test_a_gateway_starts_while_its_store_is_away(opened: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_with(BlobsAway("nothing usable answers"), monkeypatch)
    async with opened() as world:
        body = await world.ask("{ forYou { servedBy } }", bearer=token())
        assert "errors" not in body
        assert not world.app.process.ending.asked.is_set()


async def test_a_store_that_is_set_up_wrong_is_refused(opened: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_with(InvalidSetting("the store does not take these keys"), monkeypatch)
    with pytest.raises(InvalidSetting, match="these keys"):
        async with opened():
            pytest.fail("it started")
