"""Where a client is, and whom the gateway believes about it: fixed, a proxy's header, a database of addresses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from clipmesh.common.v1.viewer_pb2 import (
    REGION_SOURCE_DATABASE,
    REGION_SOURCE_FIXED,
    REGION_SOURCE_PROXY,
    REGION_SOURCE_UNSPECIFIED,
)
from starlette.requests import Request

from gateway.proxies import Proxies
from gateway.regions import GeoDatabaseUnusable, GeoReaderMissing, open_regions
from gateway.settings import PRIVATE_NETWORKS
from mesh.settings import InvalidSetting
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes
from tests.gateway.geo import write_mmdb

PROXY = "10.0.0.7"
UNKNOWN = ("", REGION_SOURCE_UNSPECIFIED)
BEHIND_ONE = Proxies(hops=1, networks=PRIVATE_NETWORKS)
ALONE = Proxies(hops=0, networks=PRIVATE_NETWORKS)


def request(*lines: tuple[str, str], peer: str = PROXY) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in lines]
    return Request({"type": "http", "headers": raw, "client": (peer, 1), "method": "GET", "path": "/", "query_string": b""})


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


@pytest.mark.parametrize(
    ("hops", "lines", "address"),
    [
        (1, ["198.51.100.66", "203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.66, 198.51.100.67", "203.0.113.9"], "203.0.113.9"),
        (2, ["198.51.100.66", "203.0.113.9", "10.0.0.8"], "203.0.113.9"),
        (2, ["198.51.100.66", "203.0.113.9, 10.0.0.8"], "203.0.113.9"),
        (1, ["203.0.113.9", " "], "203.0.113.9"),
    ],
)
def test_a_line_that_the_client_sent_itself_is_not_the_one_of_the_proxy(hops: int, lines: list[str], address: str) -> None:
    assert Proxies(hops=hops, networks=PRIVATE_NETWORKS).address(request(*forwarded(*lines))) == address


@pytest.mark.parametrize(
    ("peer", "networks", "believed"),
    [
        ("10.1.2.3", PRIVATE_NETWORKS, True),
        ("127.0.0.1", PRIVATE_NETWORKS, True),
        ("::ffff:10.1.2.3", PRIVATE_NETWORKS, True),
        ("fd00::5", PRIVATE_NETWORKS, True),
        ("203.0.113.50", PRIVATE_NETWORKS, False),
        ("2001:db8::1", PRIVATE_NETWORKS, False),
        ("203.0.113.50", ["203.0.113.0/24"], True),
        ("10.1.2.3", ["203.0.113.0/24"], False),
        ("testclient", PRIVATE_NETWORKS, False),
    ],
)
def test_only_peers_in_the_networks_of_the_proxies_speak_for_others(peer: str, networks: Sequence[str], believed: bool) -> None:
    proxies = Proxies(hops=1, networks=networks)
    sent = request(*forwarded("192.0.2.200"), ("CF-IPCountry", "FR"), peer=peer)
    assert proxies.address(sent) == ("192.0.2.200" if believed else peer)
    regions = open_regions("header:CF-IPCountry", proxies=proxies)
    assert regions.of(sent) == (("FR", REGION_SOURCE_PROXY) if believed else UNKNOWN)
    regions.close()


def test_a_fixed_region_is_everybodys_whatever_they_send() -> None:
    regions = open_regions("fixed:DE", proxies=BEHIND_ONE)
    assert regions.of(request(("CF-IPCountry", "FR"))) == ("DE", REGION_SOURCE_FIXED)
    regions.close()


@pytest.mark.parametrize(
    ("values", "region"), [(["fr"], "FR"), (["US", "FR"], "FR"), (["US,FR"], "FR"), (["F1X"], ""), (["FRA"], ""), (["ÄÖ"], ""), ([], "")]
)
def test_of_several_values_the_proxy_sent_the_last(values: list[str], region: str) -> None:
    regions = open_regions("header:CF-IPCountry", proxies=BEHIND_ONE)
    found = regions.of(request(*(("CF-IPCountry", value) for value in values)))
    assert found == ((region, REGION_SOURCE_PROXY) if region else UNKNOWN)
    regions.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write_mmdb(
        tmp_path / "countries.mmdb",
        {
            "203.0.113.0/24": {"country": {"iso_code": "FR"}, "registered_country": {"iso_code": "US"}},
            "198.51.100.0/24": {"country_code": "JP", "country": "Japan"},
            "192.0.2.0/24": {"country": "BR"},
            "192.0.3.0/24": {"continent": {"code": "EU"}},
            "192.0.4.0/24": "no record",
            "192.0.5.0/24": {"country": {"iso_code": "France"}},
            "2001:db8::/32": {"country": {"iso_code": "DE"}},
        },
    )


@pytest.mark.parametrize(
    ("peer", "region"),
    [
        ("203.0.113.9", "FR"),
        ("::ffff:203.0.113.9", "FR"),
        ("198.51.100.1", "JP"),
        ("192.0.2.1", "BR"),
        ("2001:db8::1", "DE"),
        ("192.0.3.1", ""),
        ("192.0.4.1", ""),
        ("192.0.5.1", ""),
        ("127.0.0.1", ""),
        ("unknown", ""),
    ],
)
def test_a_database_knows_the_country_of_an_address(database: Path, peer: str, region: str) -> None:
    regions = open_regions(f"mmdb:{database}", proxies=ALONE)
    assert regions.of(request(("CF-IPCountry", "US"), peer=peer)) == ((region, REGION_SOURCE_DATABASE) if region else UNKNOWN)
    regions.close()


def test_behind_a_proxy_the_database_is_asked_for_the_client(database: Path) -> None:
    regions = open_regions(f"mmdb:{database}", proxies=BEHIND_ONE)
    assert regions.of(request(*forwarded("203.0.113.9"))) == ("FR", REGION_SOURCE_DATABASE)
    assert regions.of(request(*forwarded("203.0.113.9"), peer="198.51.100.1")) == ("JP", REGION_SOURCE_DATABASE)
    regions.close()


def test_an_address_of_a_family_that_the_database_lacks_is_nowhere(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "old.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "FR"}}}, ip_version=4)
    regions = open_regions(f"mmdb:{path}", proxies=ALONE)
    assert regions.of(request(peer="203.0.113.9")) == ("FR", REGION_SOURCE_DATABASE)
    assert regions.of(request(peer="2001:db8::1")) == UNKNOWN
    regions.close()


def test_a_database_that_cannot_be_used_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"no database")
    for path in (broken, tmp_path / "absent.mmdb", tmp_path):
        with pytest.raises(GeoDatabaseUnusable, match=f"CLIPMESH_GEO=mmdb:{path}"):
            open_regions(f"mmdb:{path}", proxies=ALONE)
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(GeoReaderMissing, match=r"pip install 'clipmesh\[geo\]'"):
        open_regions(f"mmdb:{broken}", proxies=ALONE)


async def test_the_region_of_the_database_travels_to_the_services(opened: Opening, fakes: Fakes, database: Path) -> None:
    async with opened(geo=f"mmdb:{database}", trusted_proxies=1) as world:
        await world.post("{ forYou { servedBy } }", headers={"x-forwarded-for": "203.0.113.9"})
    viewer = next(call.viewer for call in fakes.calls if call.method == "GetForYou")
    assert (viewer.region, viewer.region_source) == ("FR", REGION_SOURCE_DATABASE)


async def test_a_gateway_without_its_database_does_not_start(opened: Opening, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="there is no such file"):
        async with opened(geo=f"mmdb:{tmp_path / 'absent.mmdb'}"):
            pass
