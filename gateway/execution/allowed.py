"""The documents that may be asked where a list says which: everything else is refused before it is parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.errors import Fault
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Engine, Plan
from gateway.execution.manifest import APOLLO, OPERATION, page_documents
from gateway.execution.persisted import HashMismatch, sha256_of
from gateway.viewers import Viewer
from mesh.settings import InvalidSetting

PAGES: Final = "pages"
"""Names the documents of the pages that this gateway serves itself."""
_TEXTS: Final = frozenset({".graphql", ".gql"})
_LONGEST_REASON: Final = 300


class InvalidManifest(InvalidSetting):
    """The list of allowed documents cannot be used; the text names the file, the document and what is wrong with it."""


class NotAllowed(Fault):
    """The document is not on the list."""

    def __init__(self) -> None:
        super().__init__("DOCUMENT_NOT_ALLOWED", "only documents that were listed beforehand may be asked here")


class AllowedDocuments:
    """A list of documents, each asked by its text or by its hash alone."""

    asks_all = True

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts` by their hash."""
        self._texts = dict(texts)
        self._allowed = frozenset(self._texts.values())

    def __len__(self) -> int:
        return len(self._allowed)

    def known(self, sha256: str) -> str:
        """See `DocumentSource`."""
        return self._texts.get(sha256, "")

    async def read(self, asked: Asked) -> Asked:
        """See `DocumentSource`."""
        if not asked.query:
            text = self._texts.get(asked.persisted)
            if text is None:
                raise Invalid([NotAllowed()])
            return replace(asked, query=text)
        text = asked.query.strip()
        if text not in self._allowed:
            raise Invalid([NotAllowed()])
        if asked.persisted and self._texts.get(asked.persisted) != text:
            raise Invalid([HashMismatch()])
        return replace(asked, query=text)

    async def ran(self, plan: Plan, viewer: Viewer) -> None:
        """Nothing is added to the list."""


def allowed_documents(sources: Sequence[str], engine: Engine) -> AllowedDocuments:
    """The documents of `pages`, files and folders, each checked as if it was asked. Raises InvalidManifest."""
    texts: dict[str, str] = {}
    for source in sources:
        for where, found in _of_source(source):
            for sha256, text in found.items():
                _check(where, text, engine)
                texts[sha256] = text
    if not texts:
        raise InvalidManifest(f"CLIPMESH_GRAPHQL_ALLOWED={','.join(sources)}: there is no document in it, so nothing could be asked")
    return AllowedDocuments(texts)


def _of_source(source: str) -> list[tuple[str, dict[str, str]]]:
    """(name, documents by hash) of every part of a source."""
    if source == PAGES:
        return [(f"{PAGES}: {name}", _named(text)) for name, text in page_documents()]
    path = Path(source)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix in _TEXTS or one.suffix == ".json")
        return [part for one in files for part in _of_file(one)]
    if not path.exists():
        raise InvalidManifest(f"CLIPMESH_GRAPHQL_ALLOWED={source!r}: there is no such file or folder")
    return _of_file(path)


def _of_file(path: Path) -> list[tuple[str, dict[str, str]]]:
    try:
        content = path.read_bytes()
        if path.suffix in _TEXTS:
            return [(str(path), _named(content.decode()))]
        manifest = orjson.loads(content)
    except OSError as error:
        raise InvalidManifest(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidManifest(f"{path} is no text in UTF-8") from None
    except orjson.JSONDecodeError as error:
        raise InvalidManifest(f"{path} is no JSON: {error}") from None
    return [(f"{path}: {_name_of(body)}", _listed(path, sha256, body)) for sha256, body in _pairs(path, manifest)]


def _pairs(path: Path, manifest: Any) -> list[tuple[Any, Any]]:
    """(hash, text) of a manifest: Apollo's, or an object of texts by their hashes."""
    if isinstance(manifest, dict) and manifest.get("format") == APOLLO:
        operations = manifest.get("operations")
        if manifest.get("version") == 1 and isinstance(operations, list) and all(isinstance(one, dict) for one in operations):
            return [(one.get("id"), one.get("body")) for one in operations]
    elif isinstance(manifest, dict):
        return list(manifest.items())
    raise InvalidManifest(f"{path} is no manifest: use Apollo's format of version 1, or an object of documents by their SHA-256")


def _listed(path: Path, sha256: Any, text: Any) -> dict[str, str]:
    if not isinstance(sha256, str) or not isinstance(text, str) or sha256.removeprefix("sha256:") != sha256_of(text):
        raise InvalidManifest(f"{path}: {_name_of(text)} is not the document that its hash names")
    return _named(text)


def _name_of(text: Any) -> str:
    """What a document calls itself, and nothing of what is none: the file may be one of secrets, given by mistake."""
    found = OPERATION.search(text) if isinstance(text, str) else None
    return f"{found[1]} {found[2]}" if found is not None else "something without a name"


def _named(text: str) -> dict[str, str]:
    """A document by its hash, with and without the blanks around it: an editor ends files with a line, clients do not."""
    bare = text.strip()
    return {sha256_of(text): bare, sha256_of(bare): bare}


def _check(where: str, text: str, engine: Engine) -> None:
    try:
        document = engine.documents.read(text)
        for operation in document.operations.values():
            if operation.cost({}) > engine.limits.cost:
                raise InvalidManifest(f"{where}: it costs {operation.cost({})}, at most {engine.limits.cost} may be asked at once")
        engine.documents.validate(document)
    except Invalid as invalid:
        reason = " ".join(invalid.errors[0].message.split())[:_LONGEST_REASON]
        raise InvalidManifest(f"{where}: {reason}") from None
