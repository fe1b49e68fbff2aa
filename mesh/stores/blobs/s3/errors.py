"""What the store answers besides success, as errors of the port.

BlobsUnavailable
├── StoreRefused      it answered with a code of S3
└── StoreUnreachable  no answer, half an answer, or one that is none of S3

A deadline that passed is BlobsUnavailable itself.
"""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from mesh.stores.blobs.port import BlobNotFound, BlobsError, BlobsUnavailable, MultipartGone

FAILURES = (HTTPError, MinioException, OSError, ParseError, UnicodeError)
"""What the client raises when the store could not be asked or its answer not be read."""

_ABSENT = {"NoSuchKey", "NoSuchVersion"}
_GONE = "NoSuchUpload"


class StoreRefused(BlobsUnavailable):
    """The store answered, and said no; `code` is its word."""

    def __init__(self, code: str, *, status: int = 0) -> None:
        super().__init__(f"the store of objects refused: {code}")
        self.code = code
        self.status = status


class StoreUnreachable(BlobsUnavailable):
    """The store could not be asked, or its answer did not come whole."""


def port_error(error: BaseException) -> BlobsError:
    """The error of the port for one of `FAILURES`."""
    match error:
        case S3Error():
            code = error.code or "no code"
            if code == _GONE:
                return MultipartGone("there is no such upload, or it is over")
            return BlobNotFound("there is no such object") if code in _ABSENT else StoreRefused(code, status=error.response.status)
        case ServerError():
            return StoreRefused(f"status {error.status_code}", status=error.status_code)
        case InvalidResponseError():
            return StoreUnreachable("what answers is no store of objects")
        case _:
            return StoreUnreachable(f"the store of objects does not answer ({type(error).__name__})")
