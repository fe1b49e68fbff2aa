"""The map of regions says where rows are and what ids carry; without one nothing has to be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.backbone import Backbone
from mesh.regions import ONE, Region, parse_regions, region_of
from mesh.service_settings import ServiceSettings
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for

TWO = "eu:1=clipmesh_eu  us:2=clipmesh_us"


def test_one_region_needs_no_words() -> None:
    assert region_of("", "") == ONE
    assert parse_regions(" ") == {}


def test_each_region_has_its_number_and_its_place() -> None:
    assert region_of("us", TWO) == Region(name="us", number=2, place="clipmesh_us")


@pytest.mark.parametrize(
    ("name", "regions", "said"),
    [
        ("eu", "", "is none of CLIPMESH_REGIONS, which has none: set both or neither"),
        ("", TWO, "is none of CLIPMESH_REGIONS, which has eu, us"),
        ("asia", TWO, "'asia' is none of"),
        ("eu", "eu=clipmesh_eu", "takes NAME:NUMBER=PLACE"),
        ("eu", "eu:1=", "takes NAME:NUMBER=PLACE"),
        ("eu", "EU:1=a", "no name of a region"),
        ("eu", "eu:0=a", "no number of a region: 1 to 15"),
        ("eu", "eu:16=a", "no number of a region"),
        ("eu", "eu:1=a us:1=b", "each region has its own"),
        ("eu", "eu:1=a us:2=a", "each region has its own"),
        ("eu", "eu:1=a eu:2=b", "each region has its own"),
    ],
)
def test_what_no_region_can_be_is_refused_at_start(name: str, regions: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ServiceSettings(secrets="", region=name, regions=regions).check()


async def test_an_embedded_region_lies_in_its_folder_and_its_ids_carry_its_number(tmp_path: Path, redis_server: RedisServer) -> None:
    place = f"eu:1={tmp_path}/eu us:5={tmp_path}/us"
    process = process_for("video", settings=ServiceSettings(secrets="", testing=True, region="us", regions=place))
    backbone = await Backbone.open(process, tables=f"sqlite:///{tmp_path}/all", redis=redis_server.url, events="", row_types=())
    made = backbone.ids.next()
    await backbone.close()
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.db")) == ["us/video.db"]
    assert made >> 18 & 0b1111 == 5
