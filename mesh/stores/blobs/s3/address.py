"""What CLIPMESH_BLOBS=s3://... says: where the store is, which bucket, whose keys, and under which name clients reach it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mesh.settings import InvalidSetting

FORM = "s3://[key:secret@]host[:port]/bucket[?region=..&tls=0|1&ca=PATH&public=URL_BASE]"
KEY_VARIABLE, SECRET_VARIABLE = "CLIPMESH_S3_KEY", "CLIPMESH_S3_SECRET"
DEFAULT_REGION = "us-east-1"

_OPTIONS = {"region", "tls", "ca", "public"}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Address:
    """A bucket and how to come to it."""

    endpoint: str
    """Host and port as the services reach it."""
    bucket: str
    key: str
    secret: str = field(repr=False)
    region: str = DEFAULT_REGION
    tls: bool = True
    ca: str = ""
    """File of the authorities that are trusted; empty means the usual ones."""
    public: str = ""
    """Scheme, host and port that upload links carry; empty means the endpoint's own."""

    @property
    def named(self) -> str:
        """What errors may say of it: no keys."""
        return f"s3://{self.endpoint}/{self.bucket}"

    @property
    def links_base(self) -> str:
        """Scheme, host and port of upload links."""
        return self.public or f"{'https' if self.tls else 'http'}://{self.endpoint}"


def read_address(url: str, environment: Mapping[str, str] | None = None) -> S3Address:
    """The address that a URL names. Raises InvalidSetting, which repeats no secret."""
    source = os.environ if environment is None else environment
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://... is no URL ({error}): use {FORM}") from None
    host, port = _host_and_port(parts)
    bucket = parts.path.removeprefix("/").removesuffix("/")
    if not host or not _BUCKET.fullmatch(bucket) or parts.fragment:
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{host}... names no host or no bucket: use {FORM}")
    options = _options(parts, host)
    key = unquote(parts.username or "") or source.get(KEY_VARIABLE, "")
    secret = unquote(parts.password or "") or source.get(SECRET_VARIABLE, "")
    if not key or not secret:
        raise InvalidSetting(
            f"CLIPMESH_BLOBS=s3://{host}/{bucket} comes without keys: set {KEY_VARIABLE} and {SECRET_VARIABLE}, or write s3://key:secret@host"
        )
    tls = options.get("tls", "0" if _is_loopback(host) else "1")
    region = options.get("region", DEFAULT_REGION)
    if tls not in {"0", "1"} or not _REGION.fullmatch(region):
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{host}/{bucket}: tls is 0 or 1 and region is a word, not {tls!r} and {region!r}")
    return S3Address(
        endpoint=(f"[{host}]" if ":" in host else host) + (f":{port}" if port else ""),
        bucket=bucket,
        key=key,
        secret=secret,
        region=region,
        tls=tls == "1",
        ca=options.get("ca", ""),
        public=_public(options.get("public", ""), host),
    )


def _host_and_port(parts: SplitResult) -> tuple[str, int | None]:
    try:
        return parts.hostname or "", parts.port
    except ValueError:
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{parts.hostname or ''}... has no port between 1 and 65535: use {FORM}") from None


def _options(parts: SplitResult, host: str) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown or len(options) != len(pairs):
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{host}...: {', '.join(unknown) or 'an option given twice'} is no option: use {FORM}")
    return options


def _public(text: str, host: str) -> str:
    base = text.removesuffix("/")
    try:
        parts = urlsplit(base)
    except ValueError as error:
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{host}...: public={text!r} is no URL ({error})") from None
    if base and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query or "@" in parts.netloc):
        # A path would have to be part of the signature, and whoever strips it breaks that.
        raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{host}...: public={text!r} is no scheme://host[:port]")
    return base


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
