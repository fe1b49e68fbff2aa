"""How much is tried on the gateway and on a whole system."""

from __future__ import annotations

from tests.hostile.requests.crimes import CRIMES
from tests.hostile.requests.documents import DOCUMENTS
from tests.hostile.requests.wires import WIRES


def test_the_corpus_is_large() -> None:
    names = [*DOCUMENTS, *CRIMES, *WIRES]
    assert len(names) == len(set(names)) >= 150
    assert min(len(kind) for kind in (DOCUMENTS, CRIMES, WIRES)) >= 25
