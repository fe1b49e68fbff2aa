"""What decides which fields of a document are asked: the variables of @skip and @include."""

from __future__ import annotations

from typing import Any, Final

from graphql import DirectiveNode, DocumentNode, VariableNode, Visitor, visit

_CONDITIONS: Final = frozenset({"skip", "include"})


class _Found(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.others = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.others |= node.name.value not in _CONDITIONS
        self.names.update({one.value.name.value: None for one in node.arguments or () if isinstance(one.value, VariableNode)})


def conditions_of(node: DocumentNode) -> tuple[str, ...] | None:
    """Names of the variables that decide; None when directives of a document do more than that."""
    found = _Found()
    visit(node, found)
    return None if found.others else tuple(found.names)
