"""Multipart uploads as folders: one file a part, joined by the kernel, locked while they are joined."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mesh.stores.blobs import trailer
from mesh.stores.blobs.disk import Draft, Scratch, sync_folder, write_all
from mesh.stores.blobs.objects import ObjectFiles
from mesh.stores.blobs.parts import check_parts, multipart_etag
from mesh.stores.blobs.port import (
    BlobDamaged,
    BlobInfo,
    BlobNotFound,
    BlobPart,
    BlobsUnavailable,
    MultipartGone,
    OpenMultipart,
    PartMismatch,
)
from mesh.stores.blobs.trailer import Trailer

_REFERENCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FACTS = "upload.json"
_PART = "part-"
_LOCK_PAUSE_S = 0.02


class MultipartFolders:
    """The folder of open uploads; every call blocks. A lock on an upload's folder is shared by arriving parts and whole for its end."""

    def __init__(self, root: Path, *, scratch: Scratch, objects: ObjectFiles) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._scratch = scratch
        self._objects = objects

    def begin(self, key: str, content_type: str, now_ms: int) -> str:
        """Open an upload, durably; returns its reference."""
        reference = secrets.token_hex(16)
        folder = self._scratch.path()
        folder.mkdir(mode=0o700)
        facts = {"key": key, "content_type": content_type, "started_at_ms": now_ms}
        descriptor = os.open(folder / _FACTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, json.dumps(facts).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(folder)
        folder.rename(self._root / reference)
        sync_folder(self._root)
        return reference

    def check_open(self, key: str, reference: str) -> None:
        """Raises MultipartGone unless the upload is open for this key."""
        self._facts(key, reference)

    def place(self, draft: Draft, key: str, reference: str, part_number: int) -> BlobPart:
        """Make a draft the part, in one step. Raises MultipartGone when the upload ended meanwhile."""
        part = BlobPart(part_number=part_number, size_bytes=draft.size_bytes, etag=draft.md5.hex())
        draft.seal(Trailer(size_bytes=part.size_bytes, etag=part.etag))
        with self._locked(key, reference, fcntl.LOCK_SH) as folder:
            draft.place(folder / f"{_PART}{part_number:05d}")
        return part

    def parts(self, key: str, reference: str) -> Sequence[BlobPart]:
        """Durable parts, ascending. Raises MultipartGone."""
        self._facts(key, reference)
        return _parts(self._root / reference)

    def complete(
        self,
        key: str,
        reference: str,
        *,
        size_bytes: int,
        part_size_bytes: int,
        etags: Mapping[int, str] | None,
        now_ms: int,
        stop: threading.Event,
    ) -> BlobInfo:
        """Join the parts into the object and end the upload; a repeat finds the object by the reference in its trailer."""
        try:
            with self._locked(key, reference, fcntl.LOCK_EX, stop) as folder:
                parts = _parts(folder)
                check_parts(parts, size_bytes=size_bytes, part_size_bytes=part_size_bytes, etags=etags)
                facts = Trailer(
                    size_bytes=size_bytes,
                    etag=multipart_etag(parts),
                    content_type=self._facts(key, reference)["content_type"],
                    modified_at_ms=now_ms,
                    upload_ref=reference,
                )
                # A crash between these two steps leaves both: a repeat then makes the same object again.
                self._join(folder, parts, key, facts, stop)
                self._scratch.remove(folder)
        except MultipartGone:
            if not self._made(key, reference):
                raise
        try:
            info = self._objects.head(key)
        except BlobNotFound:
            raise MultipartGone("what the upload made was deleted at once") from None
        if info.size_bytes != size_bytes:
            raise PartMismatch("the upload was completed with another size", size_bytes=info.size_bytes)
        return info

    def abort(self, key: str, reference: str, stop: threading.Event) -> None:
        """End an upload and delete its parts; an absent one is no error."""
        try:
            with self._locked(key, reference, fcntl.LOCK_EX, stop) as folder:
                self._scratch.remove(folder)
        except MultipartGone:
            return

    def open_uploads(self, prefix: str) -> Sequence[OpenMultipart]:
        """Open uploads whose key begins with `prefix`, by key."""
        found = []
        for reference in filter(_REFERENCE.fullmatch, [entry.name for entry in self._root.iterdir()]):
            try:
                facts = _read_facts(self._root / reference)
            except FileNotFoundError:
                continue
            if facts["key"].startswith(prefix):
                found.append(OpenMultipart(key=facts["key"], upload_ref=reference, started_at_ms=int(facts["started_at_ms"])))
        return sorted(found, key=lambda upload: (upload.key, upload.upload_ref))

    def _facts(self, key: str, reference: str) -> dict[str, str]:
        try:
            facts = _read_facts(self._root / reference) if _REFERENCE.fullmatch(reference) else {}
        except FileNotFoundError:
            facts = {}
        if facts.get("key") != key:
            raise MultipartGone("there is no such upload, or it is over")
        return facts

    def _made(self, key: str, reference: str) -> bool:
        try:
            # Objects that no upload made have an empty reference.
            return bool(reference) and self._objects.facts(key).upload_ref == reference
        except BlobNotFound:
            return False

    def _join(self, folder: Path, parts: Sequence[BlobPart], key: str, facts: Trailer, stop: threading.Event) -> None:
        draft = Draft(self._scratch)
        try:
            for part in parts:
                source = os.open(folder / f"{_PART}{part.part_number:05d}", os.O_RDONLY)
                try:
                    draft.append_file(source, part.size_bytes, stop)
                finally:
                    os.close(source)
            self._objects.place(draft, key, facts)
        finally:
            draft.discard()

    @contextmanager
    def _locked(self, key: str, reference: str, kind: int, stop: threading.Event | None = None) -> Iterator[Path]:
        """The upload's folder under a lock, which is waited for until `stop` and not at all without; MultipartGone when the upload is over."""
        self._facts(key, reference)
        folder = self._root / reference
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise MultipartGone("there is no such upload, or it is over") from None
        try:
            _take(descriptor, kind, stop)
            # Whoever held the lock before may have moved the folder away.
            self._facts(key, reference)
            yield folder
        finally:
            os.close(descriptor)


def _take(descriptor: int, kind: int, stop: threading.Event | None) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if stop is None or stop.wait(_LOCK_PAUSE_S):
                raise BlobsUnavailable("the upload is being completed or aborted") from None
        else:
            return


def _read_facts(folder: Path) -> dict[str, str]:
    facts: dict[str, str] = json.loads((folder / _FACTS).read_bytes())
    return facts


def _parts(folder: Path) -> Sequence[BlobPart]:
    found = []
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(_PART))
        for name in names:
            descriptor = os.open(folder / name, os.O_RDONLY)
            try:
                facts = trailer.read(descriptor)
            except BlobDamaged:
                # As good as missing, which its sender can mend by sending it again.
                continue
            finally:
                os.close(descriptor)
            found.append(BlobPart(part_number=int(name.removeprefix(_PART)), size_bytes=facts.size_bytes, etag=facts.etag))
    except FileNotFoundError:
        raise MultipartGone("there is no such upload, or it is over") from None
    return found
