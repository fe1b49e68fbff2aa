"""What CLIPMESH_REDIS may say: one server by TCP, TLS or socket, or the master that Sentinels name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from mesh.settings import InvalidSetting

FORMS: Final = (
    "redis://host:6379/0, rediss://host:6380/0?ca=PATH, unix:run/redis.sock, or redis+sentinel://host1:26379,host2:26379/master-name"
)
PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_CREDENTIALS: Final = frozenset({"db", "username", "password"})
_TLS: Final = frozenset({"ca", "cert", "key"})
_SENTINEL: Final = frozenset({"sentinel_username", "sentinel_password"})
_SECRET: Final = frozenset({"password", "sentinel_password"})


class InvalidRedisUrl(InvalidSetting):
    """The URL names no Redis that this build speaks to, or the server there is not what it has to be; the text says how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPaths:
    """Where the certificates of a TLS connection are."""

    ca: str = ""
    """Authorities that may vouch for the server; empty means those of the system."""
    certificate: str = ""
    """What this process shows of itself; empty shows nothing."""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """A URL read."""

    shown: str
    """The URL as it may stand in a log: without secrets."""
    hosts: tuple[tuple[str, int], ...] = ()
    """One server, or the Sentinels; none for a socket."""
    socket: str = ""
    master: str = ""
    """What the Sentinels call the master; empty without Sentinels."""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: TlsPaths | None = None

    @classmethod
    def parse(cls, url: str) -> RedisUrl:
        """Read a URL; InvalidRedisUrl says what is wrong with it."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={url.partition(':')[0]}://... is no URL ({error}); write {FORMS}") from None
        scheme, shown = parts.scheme, shown_url(url)
        if scheme.endswith("cluster"):
            raise InvalidRedisUrl(
                f"CLIPMESH_REDIS={scheme}://... is not supported: a topic's keys would lie on several servers; name one server or Sentinels"
            )
        if scheme == "unix":
            return _of_socket(parts, shown)
        if scheme in {"redis", "rediss"}:
            return _of_server(parts, shown)
        if scheme in {"redis+sentinel", "rediss+sentinel"}:
            return _of_sentinels(parts, shown)
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r} is no Redis URL; write {FORMS}")


def _of_socket(parts: SplitResult, shown: str) -> RedisUrl:
    where = unquote(parts.netloc + parts.path)
    if not where:
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r} names no socket; write unix:run/redis.sock or unix:///full/path.sock")
    options = _options(parts.query, _CREDENTIALS, shown)
    return RedisUrl(
        shown=shown,
        socket=where,
        database=_database(options.get("db", ""), shown),
        username=options.get("username"),
        password=options.get("password"),
    )


def _of_server(parts: SplitResult, shown: str) -> RedisUrl:
    user, hosts = _hosts(parts.netloc, PORT, shown)
    if len(hosts) != 1:
        raise InvalidRedisUrl(
            f"CLIPMESH_REDIS={shown!r} has to name one host: redis://host:6379/0; several Sentinels are redis+sentinel://h1,h2/master-name"
        )
    secure = parts.scheme == "rediss"
    options = _options(parts.query, _CREDENTIALS | (_TLS if secure else frozenset()), shown)
    return RedisUrl(
        shown=shown,
        hosts=hosts,
        database=_database(parts.path.strip("/") or options.get("db", ""), shown),
        username=user.get("username", options.get("username")),
        password=user.get("password", options.get("password")),
        tls=_tls(options, shown) if secure else None,
    )


def _of_sentinels(parts: SplitResult, shown: str) -> RedisUrl:
    user, hosts = _hosts(parts.netloc, SENTINEL_PORT, shown)
    master, _, database = parts.path.strip("/").partition("/")
    if not hosts or not master:
        raise InvalidRedisUrl(
            f"CLIPMESH_REDIS={shown!r} has to name the Sentinels and what they call the master: redis+sentinel://h1:26379,h2:26379/master-name"
        )
    secure = parts.scheme == "rediss+sentinel"
    options = _options(parts.query, _CREDENTIALS | _SENTINEL | (_TLS if secure else frozenset()), shown)
    return RedisUrl(
        shown=shown,
        hosts=hosts,
        master=unquote(master),
        database=_database(database or options.get("db", ""), shown),
        username=user.get("username", options.get("username")),
        password=user.get("password", options.get("password")),
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls=_tls(options, shown) if secure else None,
    )


def _hosts(netloc: str, default_port: int, shown: str) -> tuple[Mapping[str, str], tuple[tuple[str, int], ...]]:
    """Who signs in, and every host with its port."""
    credentials, _, rest = netloc.rpartition("@")
    name, colon, secret = credentials.partition(":")
    user = {"username": unquote(name)} if name else {}
    if colon:
        user["password"] = unquote(secret)
    hosts = []
    for each in filter(None, rest.split(",")):
        try:
            part = urlsplit(f"//{each}")
            port = part.port or default_port
        except ValueError as error:
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r}: {error}") from None
        if not part.hostname:
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r}: {each!r} names no host")
        hosts.append((part.hostname, port))
    return user, tuple(hosts)


def _options(query: str, known: frozenset[str], shown: str) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := sorted(options.keys() - known):
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r} takes no {', '.join(unknown)}; after the ? may stand {', '.join(sorted(known))}")
    return options


def _tls(options: Mapping[str, str], shown: str) -> TlsPaths:
    if ("cert" in options) != ("key" in options):
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r}: cert and key go together")
    return TlsPaths(ca=options.get("ca", ""), certificate=options.get("cert", ""), key=options.get("key", ""))


def _database(number: str, shown: str) -> int:
    if number and not (number.isascii() and number.isdigit()):
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={shown!r}: {number!r} is no database number; write /0 or ?db=0")
    return int(number or 0)


def shown_url(url: str) -> str:
    """The URL as it may stand in a log: without what stands before an @, and without secrets after the ?."""
    address, question, query = url.partition("?")
    scheme, separator, rest = address.partition("://")
    if "@" in rest:
        address = f"{scheme}{separator}***@{rest.rpartition('@')[2]}"
    shown = [f"{pair.partition('=')[0]}=***" if pair.partition("=")[0] in _SECRET else pair for pair in query.split("&")]
    return address + question + "&".join(shown)
