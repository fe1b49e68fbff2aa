"""Objects: one port, an engine on files and one on S3; a URL chooses."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mesh.clock import Clock
from mesh.settings import InvalidSetting
from mesh.stores.blobs.door import UploadDoor
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.links import MIN_KEY_BYTES
from mesh.stores.blobs.parts import MIN_PART_BYTES
from mesh.stores.blobs.port import Blobs

__all__ = ["check_part_size", "open_blobs", "upload_door"]


def open_blobs(url: str, *, clock: Clock, url_key: bytes) -> Blobs:
    """The store that CLIPMESH_BLOBS names; `prepare` it before use. Raises InvalidSetting.

    `url_key` signs upload links to our own door: at least 32 bytes, the same in every process that signs or takes them; empty in a process that
    does neither. S3 signs with its own keys.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidSetting(f"CLIPMESH_BLOBS is no URL ({error}): use file:///FOLDER or s3://HOST/BUCKET") from None
    if url_key and len(url_key) < MIN_KEY_BYTES:
        raise InvalidSetting(f"the secret blob_url_key has {len(url_key)} bytes; it needs {MIN_KEY_BYTES} or more")
    if parts.scheme == "s3":
        if find_spec("minio") is None:
            # A URL may carry keys; only its host is repeated.
            raise InvalidSetting(f"CLIPMESH_BLOBS=s3://{parts.hostname or ''}... needs the S3 engine: pip install 'clipmesh[cluster]'")
        from mesh.stores.blobs.s3.engine import open_s3  # noqa: PLC0415 its client comes with an extra

        return open_s3(url)
    if parts.scheme != "file":
        raise InvalidSetting(
            f"CLIPMESH_BLOBS: {parts.scheme or 'no scheme'!r} is no engine for objects: use file:///FOLDER or s3://HOST/BUCKET"
        )
    folder = Path(unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or not folder.is_absolute() or folder == Path("/") or parts.query or parts.fragment:
        raise InvalidSetting(f"CLIPMESH_BLOBS={url!r} names no folder: use file:///FOLDER with an absolute path")
    try:
        return FileBlobs(folder, clock=clock, url_key=url_key)
    except OSError as error:
        raise InvalidSetting(f"CLIPMESH_BLOBS={url!r} cannot be used: {error.strerror}") from error


def check_part_size(url: str, part_bytes: int, *, variable: str) -> None:
    """Raises InvalidSetting where the store of CLIPMESH_BLOBS would never join parts as small as `variable` makes them."""
    if url.startswith("s3:") and part_bytes < MIN_PART_BYTES:
        raise InvalidSetting(
            f"{variable}={part_bytes} is too small: S3, which CLIPMESH_BLOBS names, joins no parts below {MIN_PART_BYTES} bytes"
        )


def upload_door(blobs: Blobs) -> UploadDoor | None:
    """The receiving end of the store's upload links; None when the store has HTTP of its own."""
    return blobs if isinstance(blobs, UploadDoor) else None
