"""What decides which fields of a document are asked: the variables of @skip and @include; @defer decides when they come, not which."""

from __future__ import annotations

from typing import Any, Final

from graphql import DirectiveNode, DocumentNode, VariableNode, Visitor, visit

from gateway.execution.limits import DEFER

_CONDITIONS: Final = frozenset({"skip", "include"})


class _Found(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.others = self.defers = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value == DEFER:
            self.defers = True
            return
        self.others |= node.name.value not in _CONDITIONS
        self.names.update({one.value.name.value: None for one in node.arguments or () if isinstance(one.value, VariableNode)})


def defers_in(node: DocumentNode) -> bool:
    """Whether a fragment of the document may come later."""
    found = _Found()
    visit(node, found)
    return found.defers


def conditions_of(node: DocumentNode) -> tuple[str, ...] | None:
    """Names of the variables that decide; None when directives of a document do more than that."""
    found = _Found()
    visit(node, found)
    return None if found.others else tuple(found.names)
