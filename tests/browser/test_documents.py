"""Every GraphQL document of the pages is valid against the committed schema, and every module stays small and self-contained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from gateway import pages

MODULES = sorted((pages.WEB / "js").glob("*.js"))
SCHEMA = build_schema(Path(pages.__file__).with_name("schema.graphql").read_text())
DOCUMENTS = [
    pytest.param(found, id=f"{module.stem}-{number}")
    for module in MODULES
    for number, found in enumerate(re.findall(r"gql`([^`]*)`", module.read_text()))
]
MOST_LINES = 250


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_are_valid_and_named(document: str) -> None:
    assert "${" not in document
    parsed = parse(document)
    assert validate(SCHEMA, parsed) == []
    [operation] = parsed.definitions
    assert getattr(operation, "name", None) is not None


def test_all_pages_ask_something() -> None:
    assert len(DOCUMENTS) >= 20


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.stem))
def test_modules_are_small_opened_by_a_sentence_and_never_parse_html(module: Path) -> None:
    text = module.read_text()
    assert text.startswith("/**")
    assert text.count("\n") <= MOST_LINES
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    imported = re.findall(r'from "([^"]+)"', text)
    assert all((module.parent / name).is_file() for name in imported)
