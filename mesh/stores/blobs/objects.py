"""Objects as files: a key's last segment names a file, the segments before it name folders with a mark, so that `a` and `a/b` can both exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mesh.stores.blobs import trailer
from mesh.stores.blobs.disk import Draft, make_folders, sync_folder
from mesh.stores.blobs.port import BlobInfo, BlobNotFound, BlobsUnavailable
from mesh.stores.blobs.trailer import Trailer

_MARK = "~"
"""Ends the name of a folder; no key has this character."""

_PLACE_ATTEMPTS = 20
"""How often a folder may be emptied and removed by others between making it and using it."""


class ObjectFiles:
    """The folder of objects; every call blocks."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root

    def place(self, draft: Draft, key: str, facts: Trailer) -> BlobInfo:
        """Make a draft the object of a key, in one step for every reader."""
        draft.seal(facts)
        target = self._path(key)
        for _ in range(_PLACE_ATTEMPTS):
            try:
                make_folders(self._root, target.parent)
                draft.place(target)
            except FileNotFoundError:
                continue
            return _info(key, facts)
        raise BlobsUnavailable("others keep removing the folder of this key")

    def open(self, key: str) -> tuple[int, BlobInfo]:
        """An open descriptor, owned by the caller, and the facts. Raises BlobNotFound."""
        descriptor = self._open(key)
        try:
            return descriptor, _info(key, trailer.read(descriptor))
        except BaseException:
            os.close(descriptor)
            raise

    def facts(self, key: str) -> Trailer:
        """The trailer of an object. Raises BlobNotFound."""
        descriptor = self._open(key)
        try:
            return trailer.read(descriptor)
        finally:
            os.close(descriptor)

    def head(self, key: str) -> BlobInfo:
        """What is known of an object. Raises BlobNotFound."""
        return _info(key, self.facts(key))

    def delete(self, key: str) -> bool:
        """Delete an object and the folders that it leaves empty; False when it was not there."""
        path = self._path(key)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(self._remove_empty(path.parent))
        return True

    def keys(self, prefix: str, after: str) -> Iterator[str]:
        """Keys that begin with `prefix` and come after `after`, in key order."""
        return _walk(self._root, "", prefix, after)

    def _path(self, key: str) -> Path:
        *folders, name = key.split("/")
        return self._root.joinpath(*(folder + _MARK for folder in folders), name)

    def _open(self, key: str) -> int:
        try:
            return os.open(self._path(key), os.O_RDONLY)
        except FileNotFoundError:
            raise BlobNotFound(f"there is no object {key}") from None

    def _remove_empty(self, folder: Path) -> Path:
        """Remove folders upwards while they are empty; the lowest one that is left."""
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return folder
            folder = folder.parent
        return folder


def _info(key: str, facts: Trailer) -> BlobInfo:
    return BlobInfo(
        key=key, size_bytes=facts.size_bytes, etag=facts.etag, content_type=facts.content_type, modified_at_ms=facts.modified_at_ms
    )


def _walk(folder: Path, parent: str, prefix: str, after: str) -> Iterator[str]:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return
    # A folder sorts as its name with the slash that its keys go on with, which gives the order of whole keys.
    for label in sorted(name[:-1] + "/" if name.endswith(_MARK) else name for name in names):
        path = parent + label
        if not label.endswith("/"):
            if path.startswith(prefix) and path > after:
                yield path
        elif (path.startswith(prefix) or prefix.startswith(path)) and (path > after or after.startswith(path)):
            yield from _walk(folder / (label[:-1] + _MARK), path, prefix, after)
