"""Where a client is: one region for all, what a trusted proxy says, or a database of addresses.

InvalidSetting
├── GeoReaderMissing       the package that reads databases is not installed
└── GeoDatabaseUnusable    the file is not there, or is no database of countries
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from clipmesh.common.v1 import viewer_pb2
from starlette.requests import HTTPConnection

from gateway.proxies import Proxies, said
from mesh.settings import InvalidSetting

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_UNKNOWN = ("", viewer_pb2.REGION_SOURCE_UNSPECIFIED)

Region = tuple[str, viewer_pb2.RegionSource.ValueType]
"""An ISO 3166-1 code, or "" when it is not known, and what it is known from."""


class GeoReaderMissing(InvalidSetting):
    """The package that reads databases is not installed."""


class GeoDatabaseUnusable(InvalidSetting):
    """The file is not there, or is no database of countries."""


class Regions(Protocol):
    """Tells regions of clients, without waiting for anybody."""

    def of(self, connection: HTTPConnection) -> Region:
        """The region of a client."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class FixedRegion:
    """One region for everybody."""

    def __init__(self, region: str) -> None:
        self._region = region

    def of(self, connection: HTTPConnection) -> Region:
        """The configured region."""
        return self._region, viewer_pb2.REGION_SOURCE_FIXED

    def close(self) -> None:
        """Nothing was opened."""


class HeaderRegions:
    """What the proxies say in a header; nothing of clients that did not come through them."""

    def __init__(self, header: str, *, proxies: Proxies) -> None:
        self._header = header.lower()
        self._proxies = proxies

    def of(self, connection: HTTPConnection) -> Region:
        """The last value: what a client sent itself comes before it."""
        values = said(connection, self._header) if self._proxies.is_behind(connection) else []
        region = values[-1].upper() if values else ""
        return (region, viewer_pb2.REGION_SOURCE_PROXY) if _COUNTRY.fullmatch(region) else _UNKNOWN

    def close(self) -> None:
        """Nothing was opened."""


class DatabaseRegions:
    """Looks addresses up in an mmdb file (MaxMind DB 2.0): `country.iso_code`, or `country_code` or `country` as a word.

    The file is mapped into memory: replace it by another file of that name and start again, never write into it.
    """

    def __init__(self, path: str, *, proxies: Proxies) -> None:
        try:
            # Only who uses a database needs the package.
            import maxminddb  # noqa: PLC0415
        except ImportError as error:
            raise GeoReaderMissing(f"CLIPMESH_GEO=mmdb:{path} needs a package: pip install 'clipmesh[geo]'") from error
        if not Path(path).is_file():
            raise GeoDatabaseUnusable(f"CLIPMESH_GEO=mmdb:{path}: there is no such file")
        try:
            self._reader = maxminddb.open_database(path)
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            raise GeoDatabaseUnusable(f"CLIPMESH_GEO=mmdb:{path} cannot be read: {error}") from error
        self._proxies = proxies
        self._broken: tuple[type[Exception], ...] = (maxminddb.InvalidDatabaseError, ValueError)

    def of(self, connection: HTTPConnection) -> Region:
        """The country of the client's address."""
        try:
            address = ipaddress.ip_address(self._proxies.address(connection))
            if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
                address = address.ipv4_mapped
            region = _country(self._reader.get(address))
        except self._broken:
            # No address, an IPv6 address in a database of IPv4 alone, or a damaged record: a region less, not a request less.
            return _UNKNOWN
        return (region, viewer_pb2.REGION_SOURCE_DATABASE) if _COUNTRY.fullmatch(region) else _UNKNOWN

    def close(self) -> None:
        """Unmap the file."""
        self._reader.close()


def _country(record: Any) -> str:
    if not isinstance(record, Mapping):
        return ""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, Mapping) else record.get("country_code", country)
    return code if isinstance(code, str) else ""


def open_regions(geo: str, *, proxies: Proxies) -> Regions:
    """The source that CLIPMESH_GEO names. Raises InvalidSetting when it cannot be opened."""
    kind, _, value = geo.partition(":")
    if kind == "fixed":
        return FixedRegion(value)
    if kind == "header":
        return HeaderRegions(value, proxies=proxies)
    return DatabaseRegions(value, proxies=proxies)
