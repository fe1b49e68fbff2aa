"""The documents of our own pages as a manifest: `python -m gateway.execution.manifest > manifest.json`.

The format is Apollo's persisted query manifest. A gateway that serves the pages itself needs none: CLIPMESH_GRAPHQL_ALLOWED=pages reads them as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from gateway.pages import WEB

APOLLO: Final = "apollo-persisted-query-manifest"
_MARKED: Final = re.compile(r"\bgql`([^`]*)`")
OPERATION: Final = re.compile(r"\b(query|mutation|subscription)\s+(\w+)")
"""How an operation begins that has a name."""
_BLANKS: Final = re.compile(r"[\s\ufeff]+")
"""What \\s means to JavaScript, whose `gql` writes one blank for it before the page sends the document."""


def page_documents(folder: Path = WEB / "js") -> list[tuple[str, str]]:
    """(module, document) of everything that the pages ask, as they send it."""
    return [
        (module.name, _BLANKS.sub(" ", text).strip(" "))
        for module in sorted(folder.glob("*.js"))
        for text in _MARKED.findall(module.read_text(encoding="utf-8"))
    ]


def manifest() -> dict[str, Any]:
    """What the pages ask, each document once."""
    operations = []
    for text in dict.fromkeys(text for _, text in page_documents()):
        found = OPERATION.match(text)
        kind, name = (found[1], found[2]) if found is not None else ("query", "")
        operations.append({"id": hashlib.sha256(text.encode()).hexdigest(), "name": name, "type": kind, "body": text})
    return {"format": APOLLO, "version": 1, "operations": operations}


if __name__ == "__main__":
    json.dump(manifest(), sys.stdout, indent=2)
    sys.stdout.write("\n")
