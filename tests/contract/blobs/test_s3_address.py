"""What an s3:// URL says, and which ones are refused; no secret is ever repeated."""

from __future__ import annotations

import pytest

from mesh.settings import InvalidSetting
from mesh.stores.blobs.s3.address import S3Address, read_address

KEYS = {"CLIPMESH_S3_KEY": "k", "CLIPMESH_S3_SECRET": "hidden"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://127.0.0.1:9000/clips", S3Address(endpoint="127.0.0.1:9000", bucket="clips", key="k", secret="hidden", tls=False)),
        ("s3://localhost/clips/", S3Address(endpoint="localhost", bucket="clips", key="k", secret="hidden", tls=False)),
        ("s3://[::1]:9000/clips", S3Address(endpoint="[::1]:9000", bucket="clips", key="k", secret="hidden", tls=False)),
        ("s3://minio/clips", S3Address(endpoint="minio", bucket="clips", key="k", secret="hidden", tls=True)),
        ("s3://minio/clips?tls=0", S3Address(endpoint="minio", bucket="clips", key="k", secret="hidden", tls=False)),
        (
            "s3://a%2Fb:c%40d@store.example:443/clips.eu?region=eu-west-1&tls=1&ca=/etc/ca.pem&public=https://up.example:8443/",
            S3Address(
                endpoint="store.example:443",
                bucket="clips.eu",
                key="a/b",
                secret="c@d",
                region="eu-west-1",
                ca="/etc/ca.pem",
                public="https://up.example:8443",
            ),
        ),
    ],
)
def test_an_address_is_read(url: str, expected: S3Address) -> None:
    assert read_address(url, KEYS) == expected


def test_links_lead_to_the_endpoint_unless_another_name_is_given() -> None:
    assert read_address("s3://127.0.0.1:9000/clips", KEYS).links_base == "http://127.0.0.1:9000"
    assert read_address("s3://minio/clips", KEYS).links_base == "https://minio"
    assert read_address("s3://minio/clips?public=http://up.example", KEYS).links_base == "http://up.example"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3:///clips", "no host or no bucket"),
        ("s3://key:hidden@minio", "no host or no bucket"),
        ("s3://key:hidden@minio/clips/under", "no host or no bucket"),
        ("s3://key:hidden@minio/Clips", "no host or no bucket"),
        ("s3://key:hidden@minio/c", "no host or no bucket"),
        ("s3://key:hidden@minio/clips#x", "no host or no bucket"),
        ("s3://key:hidden@minio:99999/clips", "no port between 1 and 65535"),
        ("s3://key:hidden@minio:port/clips", "no port between 1 and 65535"),
        ("s3://minio/clips", "CLIPMESH_S3_KEY and CLIPMESH_S3_SECRET"),
        ("s3://key@minio/clips", "CLIPMESH_S3_KEY and CLIPMESH_S3_SECRET"),
        ("s3://key:hidden@minio/clips?tls=yes", "tls is 0 or 1"),
        ("s3://key:hidden@minio/clips?region=", "region is a word"),
        ("s3://key:hidden@minio/clips?regoin=x", "regoin is no option"),
        ("s3://key:hidden@minio/clips?tls=0&tls=1", "an option given twice"),
        ("s3://key:hidden@minio/clips?public=up.example", r"no scheme://host\[:port\]"),
        ("s3://key:hidden@minio/clips?public=https://up.example/path", r"no scheme://host\[:port\]"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(url: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=says) as refused:
        read_address(url, {})
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_address_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(read_address("s3://key:hidden@minio/clips"))
