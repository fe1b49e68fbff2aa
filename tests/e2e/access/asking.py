"""GraphQL fields that take an id, found in the schema, and operations that ask each of them about the owner's things."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    Undefined,
    get_named_type,
    get_nullable_type,
)
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from devstack.client import new_request_id
from tests.e2e.access.town import VALUES, Town

OWN_CHOICE = frozenset({"requestId", "eventId"})
"""Ids that the client chooses; they name nothing."""
_OF_FIELD = {"user": "owner", "video": "video_id", "videos": "video_id", "node": "video_id", "nodes": "video_id", "upload": "upload_id"}
_SCALARS: Mapping[str, Any] = {"Int": 1, "Float": 1.0, "Boolean": True, "BigInt": "1", "DateTime": "2026-01-31T12:00:00.000Z"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One field of the schema that takes an id."""

    of: str
    """Query, Mutation, Subscription, or the type whose field it is."""
    name: str
    field: GraphQLField


def takes_id(argument: GraphQLArgument | GraphQLInputField, name: str) -> bool:
    """Whether an argument names something, by itself or inside."""
    kind = get_named_type(argument.type)
    if isinstance(kind, GraphQLInputObjectType):
        return any(takes_id(inner, inner_name) for inner_name, inner in kind.fields.items())
    return kind.name == "ID" and name not in OWN_CHOICE


def fields_with_ids(schema: GraphQLSchema) -> dict[str, Asked]:
    """All of them by `Type.field`."""
    found = {}
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not kind.name.startswith("_"):
            for name, field in kind.fields.items():
                if any(takes_id(argument, given) for given, argument in field.args.items()):
                    found[f"{kind.name}.{name}"] = Asked(kind.name, name, field)
    return found


async def ask(town: Town, asked: Asked, kind: str) -> str:
    """What somebody gets: `in`, `nothing`, `null`, or the code of the refusal."""
    arguments = {name: value for name, argument in asked.field.args.items() if (value := _value(town, asked, name, argument)) is not None}
    declared = ", ".join(f"${name}: {asked.field.args[name].type}" for name in arguments)
    given = ", ".join(f"{name}: ${name}" for name in arguments)
    chosen = f"{asked.name}({given}) {{ {_selection(asked.field.type)} }}"
    if asked.of == "Video":
        chosen, declared = f"video(id: $videoId) {{ {chosen} }}", f"$videoId: ID!, {declared}"
        return await _posted(
            town, f"query({declared}) {{ {chosen} }}", {**arguments, "videoId": str(town.ids["video_id"])}, kind, asked.name
        )
    answers = _subscribed if asked.of == "Subscription" else _posted
    return await answers(town, f"{asked.of.lower()}({declared}) {{ {chosen} }}", arguments, kind, asked.name)


async def _posted(town: Town, document: str, variables: dict[str, Any], kind: str, name: str) -> str:
    api = town.apis[kind]
    answer = await api._http.post("/graphql", json={"query": document, "variables": variables}, headers=api._headers())
    return _outcome(answer.json(), name)


async def _subscribed(town: Town, document: str, variables: dict[str, Any], kind: str, name: str) -> str:
    api = town.apis[kind]
    async with connect(api.origin.replace("http", "ws", 1) + "/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": api._headers()}))
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": document, "variables": variables}}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "next":
                return _outcome(message["payload"], name)
            if message["type"] == "error":
                return _outcome({"errors": message["payload"]}, name)
            if message["type"] == "complete":
                return "nothing"
    return "closed"


def _outcome(answer: Mapping[str, Any], name: str) -> str:
    if answer.get("errors"):
        return str(answer["errors"][0].get("extensions", {}).get("code"))
    data = answer["data"]
    if data.get("video", {}) is None:
        return "null"
    match data["video"][name] if name not in data else data[name]:
        case None | [None]:
            return "null"
        case {"userErrors": [first, *_]}:
            return str(first["code"])
        case {"edges": []}:
            return "nothing"
    return "in"


def _selection(kind: GraphQLOutputType) -> str:
    named = get_named_type(kind)
    fields = named.fields if isinstance(named, GraphQLObjectType) else {}
    if "userErrors" in fields:
        return "userErrors { code }"
    return "edges { __typename }" if "edges" in fields else "__typename"


def _value(town: Town, asked: Asked, name: str, argument: GraphQLArgument | GraphQLInputField) -> Any:
    kind = get_nullable_type(argument.type)
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType):
        inner = {part: value for part, one in named.fields.items() if (value := _value(town, asked, part, one)) is not None}
        return [inner] if isinstance(kind, GraphQLList) else inner
    if named.name == "ID":
        found = _id(town, asked, name)
    elif not isinstance(argument.type, GraphQLNonNull) or argument.default_value is not Undefined:
        # What may be left out is, so that nothing but ids is asked for.
        return None
    else:
        found = _plain(named, name)
    return [found] if isinstance(kind, GraphQLList) and found is not None else found


def _id(town: Town, asked: Asked, name: str) -> str | None:
    if name in OWN_CHOICE:
        return new_request_id()
    snake = _snake(_OF_FIELD.get(asked.name, name) if name in ("id", "ids") else name).removesuffix("s")
    if asked.name == "publishVideo" and snake == "sound_id":
        return None
    if asked.name in ("setBan", "grantRole"):
        return str(town.ids["victim"])
    known = town.ids.get({"user_id": "owner", "answers_id": "comment_id"}.get(snake, snake))
    return str(known or 1)


def _plain(named: Any, name: str) -> Any:
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if named.name == "String":
        return VALUES.get(_snake(name)) or "words"
    return _SCALARS[named.name]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
