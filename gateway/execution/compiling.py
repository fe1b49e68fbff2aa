"""Makes shapes of queries; what a shape cannot say, graphql-core runs.

Compiled are queries of fields that are attributes, parts of messages, batches, or asynchronous resolvers whose type may be null. Left to graphql-core are
mutations and subscriptions, introspection, directives other than @skip and @include, and every field that something stands in front of (permissions,
extensions) or whose resolver is of another kind: nothing that guards a field is passed by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import strawberry
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from gateway.execution.documents import Document, Operation
from gateway.execution.fields import FETCH, OfMessage, part_of
from gateway.execution.leaves import leaf_of
from gateway.execution.shapes import Absence, AbstractShape, Fetched, LeafShape, ListShape, ObjectShape, Resolved, Shape, Step

MOST_VARIANTS: Final = 8
"""Shapes of one operation, by what its conditions say; in further ways graphql-core runs it."""
_DEFINITION: Final = "strawberry-definition"


class _Beyond(Exception):
    """A shape cannot say this."""


class Compiler:
    """Compiles the queries of one schema, each once for what its conditions say."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._core = schema._schema

    def may_compile(self, document: Document, operation: Operation) -> bool:
        """False when graphql-core has to run the operation, whatever its variables are."""
        if operation.kind is not OperationType.QUERY or document.conditions is None:
            return False
        return bool(document.conditions) or operation.shapes.get((), operation) is not None

    def shape(self, document: Document, operation: Operation, variables: VariableValues) -> ObjectShape | None:
        """The shape of a query that is valid, None when a shape cannot say it."""
        said: tuple[Any, ...] = tuple(variables.coerced.get(name) for name in document.conditions or ())
        if said in operation.shapes:
            return operation.shapes[said]
        if len(operation.shapes) >= MOST_VARIANTS or any(type(one) is not bool for one in said):
            return None
        try:
            shape = _Compilation(self._core, document.node, operation.node, variables).root()
        except (_Beyond, GraphQLError):
            shape = None
        operation.shapes[said] = shape
        return shape

    def convert(self, given: dict[str, Any], arguments: Sequence[StrawberryArgument]) -> dict[str, Any]:
        """Arguments of graphql-core as Strawberry hands them to resolvers."""
        converter = self._schema.schema_converter
        return convert_arguments(given, list(arguments), converter.scalar_registry, self._schema.config)


class _Compilation:
    """One query with its variables, of which only the conditions count."""

    def __init__(self, schema: Any, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues) -> None:
        self._schema = schema
        self._operation = operation
        self._variables = variables
        self._fragments: dict[str, FragmentDetails] = {}
        for node in document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                if node.variable_definitions:
                    raise _Beyond
                self._fragments[node.name.value] = FragmentDetails(node, None)

    def root(self) -> ObjectShape:
        kind = self._schema.query_type
        fields = collect_fields(self._schema, self._fragments, self._variables, kind, self._operation, True)
        return self._object(kind, fields.grouped_field_set, Absence(nullable=False, where=kind.name))

    def _object(self, kind: GraphQLObjectType, fields: Mapping[str, list[FieldDetails]], absence: Absence) -> ObjectShape:
        definition = kind.extensions.get(_DEFINITION)
        if definition is None or definition.is_type_of is not None:
            raise _Beyond
        origin: type = definition.origin
        steps = [self._step(kind, origin, name, details) for name, details in fields.items()]
        return ObjectShape(
            origin=origin,
            of_message=issubclass(origin, OfMessage),
            steps=tuple((step.name, step.read, step.leaf, step) for step in steps),
            absence=absence,
        )

    def _step(self, kind: GraphQLObjectType, origin: type, name: str, details: list[FieldDetails]) -> Step:
        field_name = details[0].node.name.value
        nodes = [one.node for one in details]
        if field_name == "__typename":
            return Step(name=name, nodes=nodes, nullable=False, read=lambda _: kind.name, leaf=lambda value: value)
        definition = kind.fields.get(field_name)
        field = definition.extensions.get(_DEFINITION) if definition is not None else None
        if definition is None or not isinstance(field, StrawberryField) or field.extensions:
            raise _Beyond
        where, nullable = f"{kind.name}.{field_name}", not is_non_null_type(definition.type)
        if FETCH in field.metadata:
            if not nullable:
                raise _Beyond
            shape = self._shape(definition.type, details, where)
            return Fetched(name=name, nodes=nodes, nullable=nullable, fetch=field.metadata[FETCH], shape=shape)
        if field.base_resolver is not None:
            return self._resolved(field.base_resolver, name, details, definition, where)
        if issubclass(origin, OfMessage):
            read = part_of(origin, field.python_name)
            if read is None:
                raise _Beyond
        else:
            read = attrgetter(field.python_name)
        shape = self._shape(definition.type, details, where)
        leaf = shape.leaf if isinstance(shape, LeafShape) else None
        return Step(name=name, nodes=nodes, nullable=nullable, read=read, leaf=leaf, below=None if leaf is not None else shape)

    def _resolved(
        self, resolver: StrawberryResolver[Any], name: str, details: list[FieldDetails], definition: GraphQLField, where: str
    ) -> Step:
        info = resolver.info_parameter
        plain = resolver.self_parameter is not None and resolver.parent_parameter is None and resolver.root_parameter is None
        if not plain or info is None or info.name != "info" or not resolver.is_async or is_non_null_type(definition.type):
            raise _Beyond
        function: Any = resolver.wrapped_func
        return Resolved(
            name=name,
            nodes=[one.node for one in details],
            nullable=True,
            resolver=function,
            definition=definition,
            arguments=tuple(resolver.arguments),
            shape=self._shape(definition.type, details, where),
        )

    def _shape(self, kind: GraphQLOutputType, details: list[FieldDetails], where: str) -> Shape:
        nullable = not is_non_null_type(kind)
        inner: Any = kind if nullable else kind.of_type  # type: ignore[union-attr]
        absence = Absence(nullable=nullable, where=where)
        if is_leaf_type(inner):
            return LeafShape(leaf_of(inner, nullable=nullable, where=where))
        if is_list_type(inner):
            items = self._shape(inner.of_type, details, where)
            nodes = [one.node for one in details]
            return ListShape(items=items, nullable_items=not is_non_null_type(inner.of_type), absence=absence, nodes=nodes)
        if is_object_type(inner):
            return self._below(inner, details, absence)
        if is_abstract_type(inner):
            shapes = [self._below(one, details, absence) for one in self._schema.get_possible_types(inner)]
            return AbstractShape(shapes={one.origin: one for one in shapes}, absence=absence)
        raise _Beyond

    def _below(self, kind: GraphQLObjectType, details: list[FieldDetails], absence: Absence) -> ObjectShape:
        fields = collect_subfields(self._schema, self._fragments, self._variables, self._operation, kind, details, True)
        return self._object(kind, fields.grouped_field_set, absence)
