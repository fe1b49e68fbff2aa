"""Upload links as S3 takes them: Signature Version 4 in the query, over the host, the path and the exact length of the body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from mesh.stores.blobs.door import LinkExpired, LinkInvalid

LONGEST_LIFE_S = 604_800
"""Seven days, the most that S3 takes."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_SIGNED = "content-length;host"
_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """With what links are signed."""

    key: str
    secret: str = field(repr=False)
    region: str


def sign_link(url: SplitResult, signing: Signing, *, size_bytes: int, at_ms: int, expires_in_ms: int) -> str:
    """The link that takes one PUT of exactly `size_bytes` to `url` until its time is over.

    The time is the store's, whatever a clock of ours says: it is the store that compares.
    """
    # Links begin at a whole second; rounded up so that none ends before it was promised.
    life_s = -(-(at_ms % 1000 + expires_in_ms) // 1000)
    if not 1 <= life_s <= LONGEST_LIFE_S:
        raise ValueError(f"a link cannot live {expires_in_ms} ms: 1 ms to 7 days")
    date = datetime.fromtimestamp(at_ms // 1000, UTC).strftime(_DATE)
    asked = dict(parse_qsl(url.query, keep_blank_values=True)) | {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{signing.key}/{_scope(date, signing.region)}",
        "X-Amz-Date": date,
        "X-Amz-Expires": str(life_s),
        "X-Amz-SignedHeaders": _SIGNED,
    }
    query = _canonical(asked)
    signature = _signature(url, query, signing, size_bytes=size_bytes, date=date)
    return url._replace(query=f"{query}&X-Amz-Signature={signature}").geturl()


def check_link(link: str, signing: Signing, *, size_bytes: int, now_ms: int) -> dict[str, str]:
    """The query of a link of ours for a body of this size, without what signs it. Raises LinkInvalid, LinkExpired."""
    url = urlsplit(link)
    asked = dict(parse_qsl(url.query, keep_blank_values=True))
    signature, date = asked.pop("X-Amz-Signature", ""), asked.get("X-Amz-Date", "")
    expected = _signature(url, _canonical(asked), signing, size_bytes=size_bytes, date=date)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise LinkInvalid
    began_ms = int(datetime.strptime(date, _DATE).replace(tzinfo=UTC).timestamp()) * 1000
    if now_ms >= began_ms + int(asked["X-Amz-Expires"]) * 1000:
        raise LinkExpired
    return {name: value for name, value in asked.items() if not name.startswith("X-Amz-")}


def _scope(date: str, region: str) -> str:
    return f"{date[:8]}/{region}/s3/aws4_request"


def _canonical(asked: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(asked.items()))


def _signature(url: SplitResult, query: str, signing: Signing, *, size_bytes: int, date: str) -> str:
    request = f"PUT\n{url.path}\n{query}\ncontent-length:{size_bytes}\nhost:{url.netloc}\n\n{_SIGNED}\nUNSIGNED-PAYLOAD"
    scope = _scope(date, signing.region)
    text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{signing.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
