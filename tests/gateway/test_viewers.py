"""Who asks and from where: tokens, proxies, regions, devices, languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2
from starlette.requests import Request

from gateway.addresses import DAY_MS, AddressPseudonyms
from gateway.settings import GatewaySettings
from gateway.viewers import Viewer, Viewers
from mesh.clock import Clock, SystemClock
from mesh.settings import InvalidSetting, read
from mesh.testing.clock import FakeClock
from mesh.tokens import AccessClaims, AccessTokenVerifier, InvalidAccessToken
from tests.gateway.fakes import Fakes
from tests.gateway.world import token

ADS = viewer_pb2.CONSENT_PURPOSE_ADS


async def keys() -> Any:
    answer: identity_service_pb2.ListSigningKeysResponse = await Fakes().list_signing_keys(None)
    return answer.keys


async def viewer(headers: Mapping[str, str], *, clock: Clock | None = None, peer: str = "192.0.2.1", **settings: Any) -> Viewer:
    read_settings = GatewaySettings(secrets="", redis="", blobs="", **settings)
    read_settings.check()
    verifier = AccessTokenVerifier(clock=SystemClock(), source=keys)
    viewers = Viewers(verifier=verifier, settings=read_settings, cookie_key=b"k" * 32, clock=clock or SystemClock())
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": (peer, 1), "method": "GET", "path": "/", "query_string": b""}
    return await viewers.of(Request(scope))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.66, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.66, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, " , ,", "192.0.2.1"),
        (1, "x" * 200, "x" * 64),
    ],
)
async def test_the_address_comes_from_so_many_hops_as_are_configured(proxies: int, forwarded: str, address: str) -> None:
    found = await viewer({"x-forwarded-for": forwarded}, trusted_proxies=proxies, proxy_networks=("198.18.0.0/15", "192.0.2.0/24"))
    assert found.address == address


async def test_a_signed_in_person_is_who_the_token_says() -> None:
    found = await viewer({"authorization": f"bearer {token(user_id=5, roles=[viewer_pb2.ROLE_MODERATOR])}"})
    assert (found.user_id, list(found.context.roles), found.context.age_band) == (
        5,
        [viewer_pb2.ROLE_MODERATOR],
        viewer_pb2.AGE_BAND_ADULT,
    )
    assert "eyJ" not in repr(found)


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer  ", "Basic abc", "token abc", "Bearer a b"])
async def test_what_is_no_bearer_token_never_passes_for_anonymous(authorization: str) -> None:
    with pytest.raises(InvalidAccessToken):
        await viewer({"authorization": authorization})


async def pseudonym(peer: str, *, clock: FakeClock, headers: Mapping[str, str] | None = None, **settings: Any) -> str:
    return (await viewer(headers or {}, clock=clock, peer=peer, **settings)).context.address_pseudonym


async def test_an_anonymous_viewers_network_has_a_name_of_the_day() -> None:
    clock = FakeClock()
    home = await pseudonym("203.0.113.9", clock=clock)
    assert len(home) == 32
    assert await pseudonym("::ffff:203.0.113.9", clock=clock) == home
    assert await pseudonym("10.0.0.1", clock=clock, headers={"x-forwarded-for": "203.0.113.9"}, trusted_proxies=1) == home
    own = await pseudonym("2001:db8:0:7::1", clock=clock)
    assert await pseudonym("2001:db8:0:7:ffff::2", clock=clock) == own, "whoever has one address of a /64 has them all"
    no_address = await pseudonym("unknown", clock=clock)
    assert await pseudonym("203.0.113.9:4711", clock=clock) == no_address, "a new port is no new network"
    others = [await pseudonym(address, clock=clock) for address in ("203.0.113.8", "2001:db8:0:8::1")]
    assert len({home, own, no_address, *others}) == 5
    clock.advance(DAY_MS)
    assert await pseudonym("203.0.113.9", clock=clock) not in {home, own, no_address, *others}
    assert AddressPseudonyms(key=b"another gateway's key", clock=clock).of("203.0.113.9") != await pseudonym("203.0.113.9", clock=clock)


async def test_a_signed_in_viewer_has_no_name_for_the_network() -> None:
    assert (await viewer({"authorization": f"Bearer {token(user_id=5)}"})).context.address_pseudonym == ""


async def test_headers_of_the_device_are_read_as_hints() -> None:
    context = (
        await viewer(
            {
                "user-agent": "Mozilla/5.0 (iPhone) Mobile",
                "ect": "3g",
                "save-data": "on",
                "accept-language": "de-DE;q=0.5, en, fr;q=0, x;q=bad, *",
            }
        )
    ).context
    assert context.device_class == viewer_pb2.DEVICE_CLASS_PHONE
    assert context.network_class == viewer_pb2.NETWORK_CLASS_3G
    assert context.save_data
    assert list(context.languages) == ["en", "de-DE"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIPMESH_GEO", "guess"),
        ("CLIPMESH_GEO", "header:X-Country"),
        ("CLIPMESH_GEO", "mmdb:"),
        ("CLIPMESH_PROXY_NETWORKS", "10.0.0.0/8,10.0.0.1/8"),
        ("CLIPMESH_PROXY_NETWORKS", "everybody"),
        ("CLIPMESH_ORIGIN", "clipmesh.example"),
        ("CLIPMESH_CORS_ORIGINS", "https://a.example,*"),
        ("CLIPMESH_TRUSTED_PROXIES", "11"),
        ("CLIPMESH_OPERATION_MS", "5"),
        ("CLIPMESH_GRAPHQL_DEPTH", "0"),
        ("CLIPMESH_RATE_USER_PER_S", "0"),
        ("CLIPMESH_PORT", "eighty"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(name: str, value: str) -> None:
    environment = {"CLIPMESH_SECRETS": "s", "CLIPMESH_REDIS": "unix:r", "CLIPMESH_BLOBS": "file:///b", name: value}
    with pytest.raises(InvalidSetting, match=name.removeprefix("CLIPMESH_").split("_")[0]):
        read(GatewaySettings, environment)


@pytest.mark.parametrize(("headers", "consents"), [({}, [ADS]), ({"sec-gpc": "1"}, []), ({"sec-gpc": "0"}, [ADS])])
async def test_a_browser_that_objects_to_profiling_withholds_all_consents(headers: dict[str, str], consents: list[int]) -> None:
    """Global Privacy Control: whatever was agreed to once, this request goes without it."""
    bearer = {"authorization": f"Bearer {token(consents=[ADS])}"}
    assert list((await viewer({**bearer, **headers})).context.consents) == consents


class Changing:
    """A verifier of one token that counts for less each time."""

    def __init__(self, *claims: AccessClaims) -> None:
        self._claims = list(claims)

    async def verify(self, token: str) -> AccessClaims:
        return self._claims.pop(0)


@pytest.mark.parametrize(("headers", "consents"), [({}, [ADS]), ({"sec-gpc": "1"}, [])])
async def test_a_connection_that_stays_is_renewed_to_what_its_token_counts_for_now(headers: dict[str, str], consents: list[int]) -> None:
    spoken = token(user_id=5, roles=[viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_MODERATOR], consents=[ADS])
    full = await AccessTokenVerifier(clock=SystemClock(), source=keys).verify(spoken)
    unconfirmed, withdrawn = replace(full, unconfirmed=True), replace(full, consents=())
    settings = GatewaySettings(secrets="", redis="", blobs="")
    verifier: Any = Changing(full, full, unconfirmed, withdrawn)
    viewers = Viewers(verifier=verifier, settings=settings, cookie_key=b"k" * 32, clock=SystemClock())
    raw = [(name.encode(), value.encode()) for name, value in {**headers, "authorization": f"Bearer {spoken}"}.items()]
    scope = {"type": "http", "headers": raw, "client": ("192.0.2.1", 1), "method": "GET", "path": "/", "query_string": b""}
    first = await viewers.of(Request(scope))
    assert await viewers.renewed(first) == first
    doubtful = await viewers.renewed(first)
    assert (list(doubtful.context.roles), doubtful.context.login_unconfirmed) == ([viewer_pb2.ROLE_VIEWER], True)
    assert list(doubtful.context.consents) == consents
    after = await viewers.renewed(doubtful)
    assert (list(after.context.roles), list(after.context.consents)) == ([viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_MODERATOR], [])
    assert not after.context.login_unconfirmed
    assert list(first.context.consents) == consents
