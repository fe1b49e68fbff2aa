"""Answers that came changed are the store's failure, never an error of another kind."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from urllib3 import HTTPResponse

from mesh.stores.blobs.port import OpenMultipart
from mesh.stores.blobs.s3.answers import etag_of, extent, http_ms, length_of, read_answer, upload_of, xml_of
from mesh.stores.blobs.s3.errors import StoreUnreachable


def answer(status: int = 200, body: bytes = b"", **headers: str) -> HTTPResponse:
    return HTTPResponse(body, headers={name.replace("_", "-"): value for name, value in headers.items()}, status=status)


def test_an_extent_is_that_of_the_range_or_of_the_whole() -> None:
    assert extent(answer(206, content_range="bytes 3-5/10")) == (10, 3, 6)
    assert extent(answer(200, content_length="7")) == (7, 0, 7)


@pytest.mark.parametrize("ranged", ["bytes 3-x/10", "bytes 3/10", "bytes */10", "bytes 3-5/*"])
def test_a_range_that_is_none_is_the_failure_of_the_store(ranged: str) -> None:
    with pytest.raises(StoreUnreachable):
        read_answer(extent, answer(206, content_range=ranged))


def test_numbers_times_and_xml_that_are_none_are_the_failure_of_the_store() -> None:
    with pytest.raises(StoreUnreachable):
        length_of(answer(content_length="seven"))
    for time in (None, "", "yesterday"):
        with pytest.raises(StoreUnreachable):
            http_ms(time)
    with pytest.raises(StoreUnreachable):
        xml_of(answer(body=b"<Cut><Off>"))


def test_an_open_upload_is_read() -> None:
    entry = ElementTree.fromstring(
        "<Upload><Key>raw%2F1</Key><UploadId>u</UploadId><Initiated>2026-01-02T03:04:05.678Z</Initiated></Upload>"
    )
    assert upload_of(entry, quoted=True) == OpenMultipart(key="raw/1", upload_ref="u", started_at_ms=1_767_323_045_678)
    assert upload_of(entry, quoted=False).key == "raw%2F1"
    with pytest.raises(StoreUnreachable):
        read_answer(lambda one: upload_of(one, quoted=True), ElementTree.fromstring("<Upload><Key>a</Key></Upload>"))


def test_a_tag_has_no_quotes() -> None:
    assert (etag_of('"abc-2"'), etag_of(None)) == ("abc-2", "")
