"""Where the tables of a cluster are: `scylla://[user:password@]host[:port],host[:port]/keyspace?dc=&tls=&ca=&replication=`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from mesh.settings import InvalidSetting

PORT = 9042
DEFAULT_REPLICATION = 3
"""Copies of each row in a keyspace that we create: one node may fail and a quorum is left."""
_FORM = "scylla://[user:password@]host[:port],host[:port]/keyspace[?dc=NAME&tls=1&ca=PATH&replication=3]"
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_SWITCH = {"0": False, "1": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class CqlAddress:
    """A parsed URL."""

    hosts: tuple[tuple[str, int], ...]
    keyspace: str
    """What the keyspaces of the services begin with."""
    user: str = ""
    password: str = field(default="", repr=False)
    data_centre: str = ""
    """The data centre whose nodes are asked; empty takes that of the first node that answers."""
    tls: bool = False
    ca: str = ""
    """File of the authorities that sign the servers' certificates; empty takes the machine's."""
    replication: int = DEFAULT_REPLICATION

    @property
    def names(self) -> str:
        """The hosts as a person reads them."""
        return ", ".join(f"{host}:{port}" for host, port in self.hosts)


def parse_address(url: str) -> CqlAddress:
    """Read a URL; InvalidSetting says what is wrong with it and never shows its password."""
    scheme, _, rest = url.partition("://")
    if scheme != "scylla":
        raise _refused("the scheme is not scylla")
    rest, _, query = rest.partition("?")
    if "#" in url:
        raise _refused("a URL of tables has no fragment; write %23 in a password")
    place, slash, keyspace = rest.partition("/")
    if not slash or not _KEYSPACE.fullmatch(keyspace):
        raise _refused(f"the keyspace {keyspace!r} is not 1 to 32 of a-z, 0-9 and _, beginning with a letter")
    sign_in, at, names = place.rpartition("@")
    user, _, password = sign_in.partition(":")
    if at and not (user and password):
        raise _refused("before the @ stand user:password")
    options = _options(query)
    tls = _switch(options, "tls")
    ca = options.get("ca", "")
    if ca and not tls:
        raise _refused("ca= says whom to trust, and needs tls=1")
    return CqlAddress(
        hosts=tuple(_host(name) for name in names.split(",")),
        keyspace=keyspace,
        user=unquote(user),
        password=unquote(password),
        data_centre=options.get("dc", ""),
        tls=tls,
        ca=ca,
        replication=_number(options, "replication", DEFAULT_REPLICATION, least=1, most=9),
    )


def check_home(home: str, address: CqlAddress) -> str:
    """What the keyspaces of a region begin with; that of the address where there is one region. Raises InvalidSetting."""
    if not home:
        return address.keyspace
    if not _KEYSPACE.fullmatch(home) or home == address.keyspace:
        raise InvalidSetting(
            f"CLIPMESH_REGIONS: {home!r} is no keyspace of a region: 1 to 32 of a-z, 0-9 and _, beginning with a letter, and not {address.keyspace}, "
            "which has the rows of all regions"
        )
    return home


def _refused(why: str) -> InvalidSetting:
    return InvalidSetting(f"CLIPMESH_TABLES cannot be read: {why}; write {_FORM}")


def _host(text: str) -> tuple[str, int]:
    name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        name, port = text, str(PORT)
    if not _HOST.fullmatch(name):
        raise _refused(f"{name!r} is no host")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise _refused(f"{port!r} is no port")
    return name.strip("[]"), int(port)


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _refused("the part behind the ? is not name=value&name=value") from None
    options = dict(pairs)
    for name in options:
        if name not in {"dc", "tls", "ca", "replication"}:
            raise _refused(f"there is no option {name!r}")
    if len(options) < len(pairs):
        raise _refused("an option stands there twice")
    return options


def _switch(options: dict[str, str], name: str) -> bool:
    text = options.get(name, "0")
    if text not in _SWITCH:
        raise _refused(f"{name}={text!r} is neither 0 nor 1")
    return _SWITCH[text]


def _number(options: dict[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise _refused(f"{name}={text!r} is not {least} to {most}")
    return int(text)
