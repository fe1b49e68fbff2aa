"""Links for S3 are signed as the documentation of AWS says, over the length of the body too, and end when they were promised to."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from mesh.stores.blobs.door import LinkExpired, LinkInvalid
from mesh.stores.blobs.s3.links import Signing, check_link, sign_link

SIGNING = Signing(key="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1")
AT_MS = 1_369_353_600_000
"""2013-05-24T00:00:00Z, as in the examples of AWS."""
PLACE = urlsplit("https://examplebucket.s3.amazonaws.com/raw/1?partNumber=2&uploadId=a%2Fb%3D")


def signed(*, size_bytes: int = 7, at_ms: int = AT_MS, expires_in_ms: int = 60_000) -> str:
    return sign_link(PLACE, SIGNING, size_bytes=size_bytes, at_ms=at_ms, expires_in_ms=expires_in_ms)


def test_a_link_says_who_signed_what_for_how_long() -> None:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(signed()).query).items()}
    assert len(asked.pop("X-Amz-Signature")) == 64
    assert asked == {
        "partNumber": "2",
        "uploadId": "a/b=",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "content-length;host",
    }


@pytest.mark.parametrize(("begins_ms", "life_ms", "seconds"), [(0, 1, 1), (0, 1000, 1), (1, 1000, 2), (999, 1, 1), (999, 2, 2)])
def test_a_link_does_not_end_before_it_was_promised(begins_ms: int, life_ms: int, seconds: int) -> None:
    link = signed(at_ms=AT_MS + begins_ms, expires_in_ms=life_ms)
    assert f"X-Amz-Expires={seconds}&" in link
    check_link(link, SIGNING, size_bytes=7, now_ms=AT_MS + begins_ms + life_ms - 1)
    with pytest.raises(LinkExpired):
        check_link(link, SIGNING, size_bytes=7, now_ms=AT_MS + seconds * 1000)


@pytest.mark.parametrize("life_ms", [0, -1, 604_800_001])
def test_a_life_that_s3_does_not_take_is_refused(life_ms: int) -> None:
    with pytest.raises(ValueError, match="1 ms to 7 days"):
        signed(expires_in_ms=life_ms)


def test_a_link_of_ours_is_known_and_no_other() -> None:
    link = signed()
    assert check_link(link, SIGNING, size_bytes=7, now_ms=AT_MS) == {"partNumber": "2", "uploadId": "a/b="}
    for other in ("", "https://x", link.replace("raw/1", "raw/2"), link.replace("partNumber=2", "partNumber=3"), link + "0", f"{link}&x=1"):
        with pytest.raises(LinkInvalid):
            check_link(other, SIGNING, size_bytes=7, now_ms=AT_MS)
    for size_bytes in (6, 8):
        with pytest.raises(LinkInvalid):
            check_link(link, SIGNING, size_bytes=size_bytes, now_ms=AT_MS)
    with pytest.raises(LinkInvalid):
        check_link(link, Signing(key=SIGNING.key, secret="another", region=SIGNING.region), size_bytes=7, now_ms=AT_MS)
