"""What every engine of the blobs port has to pass: subclass `BlobsContract` and supply its three fixtures."""

from __future__ import annotations

from mesh.stores.blobs.port import Blobs
from mesh.testing.blobs_keys import KeysContract
from mesh.testing.blobs_links import LinksContract
from mesh.testing.blobs_multipart import MultipartContract
from mesh.testing.blobs_objects import ObjectsContract
from mesh.testing.blobs_steps import (
    FIRST,
    LAST,
    MINUTE_MS,
    OLD,
    PART,
    SECOND,
    UPKEEP,
    WHOLE,
    LetPass,
    PutTo,
    begin,
    keys,
    read,
)

__all__ = ["FIRST", "LAST", "MINUTE_MS", "OLD", "PART", "SECOND", "WHOLE", "BlobsContract", "LetPass", "PutTo", "begin", "keys", "read"]


class BlobsContract(ObjectsContract, KeysContract, LinksContract, MultipartContract):
    """The promises of the port. Fixtures: `blobs` (empty), `put_to`, `let_pass`."""

    async def test_preparing_is_repeatable_and_leaves_nothing(self, blobs: Blobs) -> None:
        for upkeep in (None, UPKEEP, UPKEEP):
            await blobs.prepare(upkeep)
        assert await keys(blobs) == []
        assert list(await blobs.multipart_list("")) == []

    async def test_closing_is_repeatable(self, blobs: Blobs) -> None:
        await blobs.close()
        await blobs.close()
