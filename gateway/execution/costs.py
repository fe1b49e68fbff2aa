"""What an operation costs before it runs: every field has a weight, every list a size, variables included.

The directives are those of the IBM GraphQL cost specification: `@cost(weight)` and `@listSize`. A field costs its weight plus the sum of its
selected fields times the length of its list. One unit is about the work of one field, 10 to 20 us of CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from strawberry.schema_directive import Location

from gateway.execution.limits import is_deferred

MUTATION_WEIGHT = 50
"""Of a mutation that names none: a durable write costs more than a read."""
CALL_EACH_WEIGHT = "200"
"""Of a list that takes a call for every parent, since no batch can hold its cursors: few of them fit into one operation."""
DEFER_WEIGHT = 10
"""Of a fragment that comes later, for every object it belongs to: planning, writing and sending a part of its own."""
ASSUMED_SIZE = 10
"""Of a list that says nothing of its size."""
_DEFINITION = "strawberry-definition"


@strawberry.schema_directive(locations=[Location.FIELD_DEFINITION], description="What resolving the field costs by itself; 1 when absent.")
class Cost:
    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], description="How many items a list has: an argument's value, else assumedSize."
)
class ListSize:
    assumed_size: int
    slicing_arguments: list[str] | None = None
    sized_fields: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How many items a list will have at most."""

    constant: int
    """Without the variable, or when that is absent."""
    variable: str = ""
    """Names the variable that tells the size."""

    def of(self, variables: Mapping[str, Any]) -> int:
        """The size with raw variables; what is no number is refused by coercion later."""
        value = variables.get(self.variable) if self.variable else None
        if value is None:
            return self.constant
        if isinstance(value, list):
            return len(value)
        if isinstance(value, float) and abs(value) < _LARGEST_INT:
            return max(0, int(value))
        return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 1


_ONE = Size(1)
_LARGEST_INT = 2**31


@dataclass(frozen=True, slots=True)
class Price:
    """One field with what is selected below it."""

    weight: int
    size: Size
    below: tuple[Price, ...]

    def of(self, variables: Mapping[str, Any]) -> int:
        """The price with raw variables."""
        if not self.below:
            return self.weight
        return self.weight + self.size.of(variables) * sum(one.of(variables) for one in self.below)


class _Pricing:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], defaults: Mapping[str, ValueNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._defaults = defaults

    def price(
        self, parent: GraphQLNamedType | None, sets: list[SelectionSetNode], *, weight: int = 1, sized: Mapping[str, Size] | None = None
    ) -> tuple[Price, ...]:
        """Prices of the merged selections of one parent; of conflicting fields the last one counts, validation refuses them anyway."""
        fields: dict[str, tuple[FieldNode, GraphQLField | None, list[SelectionSetNode]]] = {}
        spread: set[str] = set()
        defers = 0
        waiting = [(parent, one) for one in sets]
        while waiting:
            on, selection_set = waiting.pop()
            for selection in selection_set.selections:
                defers += is_deferred(selection)
                if isinstance(selection, FieldNode):
                    name = selection.alias.value if selection.alias is not None else selection.name.value
                    known = fields.get(name)
                    below = known[2] if known is not None else []
                    if selection.selection_set is not None:
                        below.append(selection.selection_set)
                    fields[name] = (selection, self._definition(on, selection.name.value), below)
                elif isinstance(selection, InlineFragmentNode):
                    condition = selection.type_condition
                    waiting.append((self._schema.get_type(condition.name.value) if condition else on, selection.selection_set))
                else:
                    fragment = self._fragments.get(selection.name.value)  # type: ignore[attr-defined]
                    if fragment is not None and selection.name.value not in spread:  # type: ignore[attr-defined]
                        spread.add(selection.name.value)  # type: ignore[attr-defined]
                        waiting.append((self._schema.get_type(fragment.type_condition.name.value), fragment.selection_set))
        prices = [self._field(node, field, below, weight, (sized or {}).get(node.name.value)) for node, field, below in fields.values()]
        return tuple([*prices, Price(defers * DEFER_WEIGHT, _ONE, ())] if defers else prices)

    def _definition(self, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
        # Introspection is finite, for developers alone, and counts as plain fields.
        fields: Mapping[str, GraphQLField] = getattr(parent, "fields", None) or {}
        return fields.get(name)

    def _field(self, node: FieldNode, field: GraphQLField | None, below: list[SelectionSetNode], weight: int, size: Size | None) -> Price:
        if field is None:
            return Price(1, _ONE, self.price(None, below) if below else ())
        directives = _directives(field)
        cost = next((one for one in directives if isinstance(one, Cost)), None)
        listed = next((one for one in directives if isinstance(one, ListSize)), None)
        own = self._size(node, field, listed) if listed is not None else None
        is_list = is_list_type(get_nullable_type(field.type))
        sized = dict.fromkeys(listed.sized_fields, own) if listed is not None and listed.sized_fields and own is not None else None
        length = (size or own or Size(ASSUMED_SIZE)) if is_list else _ONE
        children = self.price(get_named_type(field.type), below, sized=sized) if below else ()
        return Price(int(cost.weight) if cost is not None else weight, length, children)

    def _size(self, node: FieldNode, field: GraphQLField, listed: ListSize) -> Size:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name in listed.slicing_arguments or ():
            default = field.args[name].default_value if name in field.args else None
            absent = default if isinstance(default, int) else listed.assumed_size
            return self._size_of(given.get(name), absent)
        return Size(listed.assumed_size)

    def _size_of(self, value: ValueNode | None, absent: int) -> Size:
        if isinstance(value, IntValueNode):
            return Size(max(0, int(value.value)))
        if isinstance(value, ListValueNode):
            return Size(len(value.values))
        if isinstance(value, VariableNode):
            default = self._defaults.get(value.name.value)
            return Size(self._size_of(default, absent).constant, value.name.value)
        return Size(absent if value is None or isinstance(value, NullValueNode) else 1)


def _directives(field: GraphQLField) -> list[object]:
    definition = field.extensions.get(_DEFINITION)
    return list(definition.directives) if definition is not None else []


def price_of(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[Price, ...]:
    """Prices of an operation's root fields; unknown fields count as plain ones, so that it can be asked before validation."""
    defaults = {one.variable.name.value: one.default_value for one in operation.variable_definitions or () if one.default_value is not None}
    root = schema.get_root_type(operation.operation)
    weight = MUTATION_WEIGHT if operation.operation.value == "mutation" else 1
    return _Pricing(schema, fragments, defaults).price(root, [operation.selection_set], weight=weight)


def is_priced_list(field: GraphQLField) -> bool:
    """True unless the field is a list of objects that says nothing of its size."""
    if not is_list_type(get_nullable_type(field.type)) or not is_composite_type(get_named_type(field.type)):
        return True
    return any(isinstance(one, ListSize) for one in _directives(field))
