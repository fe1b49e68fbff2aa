"""What one operation may ask, checked on its document before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    ListValueNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
)

from gateway.errors import Fault

DEFER: Final = "defer"
"""Name of the directive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimits:
    """Upper bounds of one document; all of them are far above what our pages ask."""

    document_bytes: int = 32_768
    """Length of the document as text."""
    tokens: int = 2_000
    """Lexical tokens, comments included."""
    depth: int = 16
    """Nesting of selections, fragments followed."""
    fields: int = 400
    """Fields after fragments are merged in, over all operations of the document."""
    repeats: int = 100
    """How often a field may be asked again beside itself: comparing repeated fields takes quadratic time."""
    aliases: int = 40
    """Aliased fields."""
    directives: int = 40
    """Directives, wherever they stand."""
    defers: int = 10
    """Places where a fragment is deferred; what they cost in lists is a matter of the price."""
    operations: int = 40
    """Operations of one document, of which one runs."""
    root_fields: int = 20
    """Fields at the top of an operation."""
    fragments: int = 40
    """Fragment definitions."""
    spreads: int = 100
    """Places where a fragment is spread, inline ones too: validation compares fragments in pairs."""
    variables: int = 50
    """Variables of all operations of the document."""
    arguments: int = 20
    """Arguments of one field or directive."""
    literals: int = 400
    """Items of lists and fields of objects that stand in the document itself; variables have no such bound."""
    cost: int = 10_000
    """Price of an operation with its variables, see gateway.execution.costs."""


def is_deferred(node: SelectionNode) -> bool:
    """True for a fragment that may come later, whatever its condition says; validation refuses what is deferred otherwise."""
    return any(directive.name.value == DEFER for directive in node.directives or ())


class TooCostly(Fault):
    """The operation asks for more than anybody may ask at once; `limit` names which bound was passed."""

    def __init__(self, limit: str, sentence: str, *, most: int, found: int | None = None) -> None:
        if found is None:
            super().__init__("QUERY_TOO_COSTLY", sentence, limit=limit, most=most)
        else:
            super().__init__("QUERY_TOO_COSTLY", sentence, limit=limit, most=most, found=found)
        self.limit = limit


class _Size:
    """Counts what stands in a document, each node once, and stops at the first bound that is passed."""

    def __init__(self, limits: OperationLimits) -> None:
        self._limits = limits
        self._spreads = self._variables = self._literals = self._defers = 0

    def check(self, document: DocumentNode) -> None:
        waiting: list[Node] = list(document.definitions)
        while waiting:
            node = waiting.pop()
            match node:
                case FragmentSpreadNode() | InlineFragmentNode():
                    self._spreads = self._counted("spreads", self._spreads + 1, self._limits.spreads)
                    if is_deferred(node):
                        self._defers = self._counted("defers", self._defers + 1, self._limits.defers)
                case OperationDefinitionNode(variable_definitions=variables) if variables:
                    self._variables = self._counted("variables", self._variables + len(variables), self._limits.variables)
                    waiting.extend(variables)
                case VariableDefinitionNode(default_value=default) if default is not None:
                    waiting.append(default)
                case ArgumentNode() | ObjectFieldNode():
                    waiting.append(node.value)
                case ListValueNode():
                    waiting.extend(self._literal(node.values))
                case ObjectValueNode():
                    waiting.extend(self._literal(node.fields))
                case _:
                    pass
            if arguments := getattr(node, "arguments", None):
                self._counted("arguments", len(arguments), self._limits.arguments)
                waiting.extend(arguments)
            waiting.extend(getattr(node, "directives", None) or ())
            if (selection_set := getattr(node, "selection_set", None)) is not None:
                waiting.extend(selection_set.selections)

    def _literal(self, parts: Sequence[Node]) -> Sequence[Node]:
        self._literals = self._counted("literals", self._literals + len(parts), self._limits.literals)
        return parts

    def _counted(self, limit: str, found: int, most: int) -> int:
        if found > most:
            raise TooCostly(limit, f"at most {most} {limit}", most=most, found=found)
        return found


class _Shape:
    """Walks a document as an executor would, merging equal response names, and stops at the first bound that is passed."""

    def __init__(self, document: DocumentNode, limits: OperationLimits) -> None:
        self._limits = limits
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._reached: set[str] = set()
        self._fields = self._repeats = self._aliases = self._directives = 0

    def check(self, document: DocumentNode) -> None:
        limits = self._limits
        if len(self._fragments) > limits.fragments:
            raise TooCostly("fragments", f"at most {limits.fragments} fragments", most=limits.fragments, found=len(self._fragments))
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) > limits.operations:
            raise TooCostly("operations", f"at most {limits.operations} operations", most=limits.operations, found=len(operations))
        for operation in operations:
            self._count_directives(operation)
            for variable in operation.variable_definitions or ():
                self._count_directives(variable)
            self._walk([operation.selection_set], 1, frozenset())
        # Validation would walk fragments that nobody uses through every rule, to refuse them in the end.
        unused = [fragment for name, fragment in self._fragments.items() if name not in self._reached]
        for fragment in unused:
            self._walk([fragment.selection_set], 1, frozenset({fragment.name.value}))
        if operations and unused:
            raise GraphQLError(f"Fragment '{unused[0].name.value}' is never used.", unused[0])

    def _walk(self, sets: list[SelectionSetNode], depth: int, inside: frozenset[str]) -> None:
        limits = self._limits
        if depth > limits.depth:
            raise TooCostly("depth", f"selections nest at most {limits.depth} deep", most=limits.depth)
        merged: dict[str, list[SelectionSetNode]] = {}
        spread: set[str] = set()
        waiting = [(one, 0) for one in sets]
        while waiting:
            selection_set, nesting = waiting.pop()
            if nesting > limits.depth:
                raise TooCostly("depth", f"fragments nest at most {limits.depth} deep", most=limits.depth)
            for selection in selection_set.selections:
                self._count_directives(selection)
                if isinstance(selection, FieldNode):
                    self._field(selection, merged)
                elif isinstance(selection, InlineFragmentNode):
                    waiting.append((selection.selection_set, nesting + 1))
                elif isinstance(selection, FragmentSpreadNode):
                    name = selection.name.value
                    if name in inside:
                        raise Fault("BAD_USER_INPUT", "a fragment contains itself")
                    if name not in spread and name in self._fragments:
                        spread.add(name)
                        self._count_directives(self._fragments[name])
                        waiting.append((self._fragments[name].selection_set, nesting + 1))
        self._reached |= spread
        if depth == 1 and len(merged) > limits.root_fields:
            raise TooCostly("rootFields", f"at most {limits.root_fields} root fields", most=limits.root_fields, found=len(merged))
        self._fields += len(merged)
        if self._fields > limits.fields:
            raise TooCostly("fields", f"at most {limits.fields} fields", most=limits.fields)
        for children in merged.values():
            if children:
                self._walk(children, depth + 1, inside | spread)

    def _field(self, node: FieldNode, merged: dict[str, list[SelectionSetNode]]) -> None:
        limits = self._limits
        if node.alias is not None:
            self._aliases += 1
            if self._aliases > limits.aliases:
                raise TooCostly("aliases", f"at most {limits.aliases} aliases", most=limits.aliases)
        name = node.alias.value if node.alias is not None else node.name.value
        children = merged.get(name)
        if children is None:
            children = merged[name] = []
        else:
            self._repeats += 1
            if self._repeats > limits.repeats:
                raise TooCostly("repeats", f"at most {limits.repeats} repeated fields", most=limits.repeats)
        if node.selection_set is not None:
            children.append(node.selection_set)

    def _count_directives(self, node: SelectionNode | VariableDefinitionNode | OperationDefinitionNode | FragmentDefinitionNode) -> None:
        self._directives += len(node.directives or ())
        if self._directives > self._limits.directives:
            raise TooCostly("directives", f"at most {self._limits.directives} directives", most=self._limits.directives)


def check_shape(document: DocumentNode, limits: OperationLimits) -> None:
    """Refuse a document that is too large, deep, wide or repetitive. Raises TooCostly, Fault for a fragment within itself and GraphQLError for one that is never used."""
    _Size(limits).check(document)
    _Shape(document, limits).check(document)
