"""Documents, parsed, limited and validated once: a bounded cache by text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)
from graphql.validation import MaxIntrospectionDepthRule, specified_rules

from gateway.errors import Fault
from gateway.execution.conditions import conditions_of, defers_in
from gateway.execution.costs import Price, price_of
from gateway.execution.limits import OperationLimits, TooCostly, check_shape

if TYPE_CHECKING:
    from gateway.execution.shapes import ObjectShape
    from gateway.execution.variables import PlainVariables

MOST_ERRORS = 10
"""Errors of one document that are told; finding more costs time and helps nobody."""


class Invalid(Exception):
    """The document cannot be run; `errors` say why."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a document."""

    node: OperationDefinitionNode
    kind: OperationType
    prices: tuple[Price, ...]
    root_fields: tuple[str, ...]
    """Names of the fields at the top, as often as they stand there; fragments are followed."""
    shapes: dict[tuple[bool, ...], ObjectShape | None] = field(default_factory=dict, compare=False)
    """What was compiled of it, by what its conditions said; None where graphql-core has to run it."""
    readers: list[PlainVariables] = field(default_factory=list, compare=False)
    """How its variables are read, once it has run."""

    def cost(self, variables: Mapping[str, Any]) -> int:
        """The price with raw variables."""
        return sum(price.of(variables) for price in self.prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document whose shape is within bounds."""

    text: str
    node: DocumentNode
    operations: Mapping[str, Operation]
    """By name, "" for the one without."""
    conditions: tuple[str, ...] | None
    """Variables that decide which fields are asked; None when its directives do more than that."""
    defers: bool
    """Whether parts of it may come later."""
    weight: int
    """Characters, as a measure of the memory it takes."""

    def operation(self, name: str | None) -> Operation:
        """The operation of a name, or the only one. Raises Invalid."""
        if name:
            found = self.operations.get(name)
            if found is None:
                raise Invalid([Fault("BAD_USER_INPUT", "there is no operation of that name in the document")])
            return found
        if len(self.operations) != 1:
            raise Invalid([Fault("BAD_USER_INPUT", "the document holds several operations: say which in operationName")])
        return next(iter(self.operations.values()))


class Documents:
    """Reads documents for one schema."""

    def __init__(self, *, schema: GraphQLSchema, limits: OperationLimits, introspection: bool, cached_characters: int) -> None:
        self._schema = schema
        self._limits = limits
        self._rules = (*specified_rules, MaxIntrospectionDepthRule, *(() if introspection else (NoSchemaIntrospectionCustomRule,)))
        self._room = cached_characters
        self._valid: OrderedDict[str, Document] = OrderedDict()
        self._held = 0
        self.hits = self.misses = 0

    @property
    def hit_ratio(self) -> float:
        """Share of the documents that were known already."""
        return self.hits / max(1, self.hits + self.misses)

    def knows(self, text: str) -> bool:
        """True when reading the text costs next to nothing."""
        return text in self._valid

    def known(self, text: str) -> Document | None:
        """The document of a text that was valid before."""
        return self._valid.get(text)

    def read(self, text: str) -> Document:
        """The document of a text, its shape checked, maybe not valid yet. Raises Invalid with syntax errors and passed limits."""
        known = self._valid.get(text)
        if known is not None:
            self._valid.move_to_end(text)
            self.hits += 1
            return known
        self.misses += 1
        limits = self._limits
        if len(text) > limits.document_bytes:
            sentence = f"a document has at most {limits.document_bytes} characters"
            raise Invalid([TooCostly("documentBytes", sentence, most=limits.document_bytes, found=len(text))])
        if text.count("#") > limits.tokens:
            # The parser takes as long over a comment as over a token and counts none; a number sign within a string seems one, which harms nobody.
            raise Invalid([TooCostly("tokens", f"a document has at most {limits.tokens} tokens, comments included", most=limits.tokens)])
        try:
            node = parse(text, max_lexical_tokens=limits.tokens)
            check_shape(node, limits)
        except GraphQLError as error:
            raise Invalid([_limited(error, limits)]) from error
        fragments = {one.name.value: one for one in node.definitions if isinstance(one, FragmentDefinitionNode)}
        found = [one for one in node.definitions if isinstance(one, OperationDefinitionNode)]
        if not found:
            raise Invalid([Fault("BAD_USER_INPUT", "the document holds no operation")])
        operations = {
            one.name.value if one.name else "": Operation(
                node=one, kind=one.operation, prices=price_of(self._schema, one, fragments), root_fields=_root_fields(one, fragments)
            )
            for one in found
        }
        conditions = conditions_of(node) if "@" in text else ()
        defers = "@" in text and defers_in(node)
        return Document(text=text, node=node, operations=operations, conditions=conditions, defers=defers, weight=len(text))

    def validate(self, document: Document) -> None:
        """Check a document against the schema, once; valid ones are remembered. Raises Invalid."""
        if document.text in self._valid:
            return
        errors = validate(self._schema, document.node, self._rules, max_errors=MOST_ERRORS, hide_suggestions=True)
        if errors:
            raise Invalid(errors[:MOST_ERRORS])
        self._valid[document.text] = document
        self._held += document.weight
        while self._held > self._room:
            _, oldest = self._valid.popitem(last=False)
            self._held -= oldest.weight


def _limited(error: GraphQLError, limits: OperationLimits) -> GraphQLError:
    """The parser tells of its own bounds in words alone."""
    if "more than" in error.message and "tokens" in error.message:
        return TooCostly("tokens", f"a document has at most {limits.tokens} tokens", most=limits.tokens)
    if "nested too deeply" in error.message:
        return TooCostly("depth", f"selections nest at most {limits.depth} deep", most=limits.depth)
    return error


def _root_fields(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> tuple[str, ...]:
    names: list[str] = []
    waiting = [operation.selection_set]
    seen: set[str] = set()
    while waiting:
        for selection in waiting.pop().selections:
            if isinstance(selection, FieldNode):
                names.append(selection.name.value)
            elif getattr(selection, "selection_set", None) is not None:
                waiting.append(selection.selection_set)  # type: ignore[attr-defined]
            else:
                name = selection.name.value  # type: ignore[attr-defined]
                if name not in seen and name in fragments:
                    seen.add(name)
                    waiting.append(fragments[name].selection_set)
    return tuple(names)
