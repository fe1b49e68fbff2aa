"""Operations that ask too much, as bodies of POST: by name, with the code that refuses each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COSTLY, BAD = "QUERY_TOO_COSTLY", "BAD_USER_INPUT"
BODY_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One body and what is said to it."""

    body: bytes
    code: str
    limit: str = ""
    """Which bound was passed, of QUERY_TOO_COSTLY."""
    words: str = ""
    """What the sentence has to hold."""
    status: int = 400


def asking(query: str, code: str, limit: str = "", words: str = "", **variables: Any) -> Refusal:
    """One operation with variables."""
    return Refusal(body=json.dumps({"query": query, "variables": variables}).encode(), code=code, limit=limit, words=words)


def executed(query: str, words: str, **variables: Any) -> Refusal:
    """An operation that is well formed and gets its refusal at a field, before anybody is called."""
    return Refusal(body=json.dumps({"query": query, "variables": variables}).encode(), code=BAD, words=words, status=200)


def raw(text: str | bytes, code: str = BAD, words: str = "", status: int = 400) -> Refusal:
    """A body as it stands."""
    return Refusal(body=text if isinstance(text, bytes) else text.encode(), code=code, words=words, status=status)


def _nested(opening: str, closing: str, times: int, inside: str = "") -> str:
    return opening * times + inside + closing * times


NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
FEED = "query($first: Int) { forYou(first: $first) { servedBy } }"
BOMB = " ".join(f"fragment F{n} on User {{ a{n}: id ...F{n + 1} ... on User {{ ...F{n + 1} }} }}" for n in range(30))

DOCUMENTS: Mapping[str, Refusal] = {
    # deep
    "selections two hundred deep": asking(
        "{ me { user " + _nested("{ videos { edges { node { creator ", "} } } }", 50, "{ id }") + " } }", COSTLY, "depth"
    ),
    "braces alone, one thousand deep": asking(_nested("{ me ", "}", 900), COSTLY, "depth"),
    "more braces than tokens": asking("{a" * 10_000, COSTLY, "depth"),
    "a list literal nine hundred deep": asking("{ nodes(ids: " + _nested("[", "]", 900, '"5"') + ") { id } }", COSTLY, "depth"),
    "an object literal four hundred deep": asking(
        "mutation { updateProfile(input: " + _nested("{bio: ", "}", 400, '"x"') + ") { userErrors { code } } }", COSTLY, "depth"
    ),
    "a list type three hundred deep": asking("query($v: " + _nested("[", "]", 300, "Int") + ") { me { email } }", COSTLY, "depth"),
    "inline fragments one hundred deep": asking("{ me " + "{ ... on Account " * 100 + "{ email }" + "}" * 101, COSTLY, "depth"),
    "fragments that lead to one another, seventeen deep": asking(
        "{ me { user { ...F0 } } } "
        + " ".join(f"fragment F{n} on User {{ ...F{n + 1} }}" for n in range(18))
        + " fragment F18 on User { id }",
        COSTLY,
        "depth",
    ),
    "variables nested five hundred deep": raw('{"query": "' + NODES + '", "variables": {"ids": ' + _nested("[", "]", 500, '"5"') + "}}"),
    "variables nested past every parser": raw('{"query": "' + NODES + '", "variables": {"ids": ' + _nested("[", "]", 60_000) + "}}"),
    # wide
    "twenty-one fields at the top": asking("{ " + " ".join(f"a{n}: __typename" for n in range(21)) + " }", COSTLY, "rootFields"),
    "forty-one aliases": asking("{ me { " + " ".join(f"a{n}: email" for n in range(41)) + " } }", COSTLY, "aliases"),
    "aliases of a page": asking(
        "{ "
        + " ".join(
            f"a{n}: forYou(first: 20) {{ edges {{ node {{ creator {{ videos(first: 20) {{ edges {{ cursor }} }} }} }} }} }}"
            for n in range(20)
        )
        + " }",
        COSTLY,
        "cost",
    ),
    "sign-ups by alias": asking(
        "mutation { " + " ".join(f"a{n}: signUp(input: {{}}) {{ userErrors {{ code }} }}" for n in range(30)) + " }", COSTLY, "rootFields"
    ),
    "one field one hundred times": asking("{ me { " + "email " * 102 + "} }", COSTLY, "repeats"),
    "four hundred operations in a document": asking(" ".join(f"query Q{n} {{ __typename }}" for n in range(399)), COSTLY, "operations"),
    "forty operations in a document": asking(" ".join(f"query Q{n} {{ __typename }}" for n in range(40)), BAD),
    "five hundred operations in a document": asking(" ".join(f"query Q{n} {{ __typename }}" for n in range(490)), COSTLY, "tokens"),
    "comments to the brim": asking("#\n" * 16_000 + "{ nobody }", COSTLY, "tokens"),
    "a document past its length": asking("{ __typename }" + " " * 40_000, COSTLY, "documentBytes"),
    "a block string of quotes": asking('{ user(handle: """' + '\\"""' * 7_000 + '""") { nobody } }', BAD),
    # directives
    "forty-one directives on a field": asking("{ __typename " + "@skip(if: false) " * 41 + "}", COSTLY, "directives"),
    "directives that nobody knows": asking("{ __typename " + "@a" * 990 + " }", COSTLY, "directives"),
    "directives on the operation": asking("query " + "@a " * 41 + "{ __typename }", COSTLY, "directives"),
    "directives on variables": asking(
        "query(" + " ".join(f"$v{n}: Int @a @b" for n in range(21)) + ") { __typename }", COSTLY, "directives"
    ),
    "directives on a fragment that is spread often": asking(
        "{ me { user { " + "...F " * 50 + "} } } fragment F on User " + "@a " * 41 + "{ id }", COSTLY, "directives"
    ),
    # fragments
    "one fragment spread one hundred and one times": asking(
        "{ me { user { " + "...F " * 101 + "} } } fragment F on User { id }", COSTLY, "spreads"
    ),
    "a fragment within itself": asking("{ me { user { ...A } } } fragment A on User { ...A }", BAD, words="within itself"),
    "two fragments within each other": asking(
        "{ me { user { ...A } } } fragment A on User { videos { edges { node { creator { ...B } } } } } fragment B on User { ...A }", BAD
    ),
    "fragments that double thirty times": asking("{ me { user { ...F0 } } } " + BOMB + " fragment F30 on User { id }", COSTLY, "depth"),
    "forty-one fragments that nobody asks for": asking(
        "{ __typename } " + " ".join(f"fragment F{n} on User {{ id }}" for n in range(41)), COSTLY, "fragments"
    ),
    "a fragment that is not there, often": asking("{ me { user { " + "...Nobody " * 90 + "} } }", BAD),
    # introspection
    "the schema through its own types": asking(
        "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }", BAD
    ),
    "types of types of types": asking(
        '{ __type(name: "Video") { ' + _nested("ofType { ", "}", 14, "name") + " } }", BAD, words="introspection"
    ),
    "the schema by alias": asking("{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(20)) + " }", BAD),
    "the schema in a fragment": asking("{ ...F } fragment F on Query { __schema { directives { name } } }", BAD, words="introspection"),
    # variables
    "a page of two thousand million": executed(FEED, words="between 1 and 20", first=2_147_483_647),
    "a page of more than numbers hold": raw('{"query": "' + FEED + '", "variables": {"first": 1' + "0" * 5_000 + "}}"),
    "a page of infinity": raw('{"query": "' + FEED + '", "variables": {"first": 1e999}}'),
    "a page that is not a number": raw('{"query": "' + FEED + '", "variables": {"first": NaN}}'),
    "sixteen thousand ids": asking(NODES, COSTLY, "cost", ids=["5"] * 16_000),
    "an id of two hundred thousand letters": executed(NODES, words="no id", ids=["5" * 200_000]),
    "a list of nulls": asking(NODES, BAD, ids=[None] * 90),
    "objects for ids": asking(NODES, BAD, ids=[{"id": "5"}] * 90),
    "fifty-one variables": asking("query(" + " ".join(f"$v{n}: Int" for n in range(51)) + ") { __typename }", COSTLY, "variables"),
    "a variable of its own default": asking("query($v: [Int] = [" + "1 " * 401 + "]) { __typename }", COSTLY, "literals"),
    "four hundred and one literals": asking("{ nodes(ids: [" + '"5" ' * 401 + "]) { id } }", COSTLY, "literals"),
    # what is no operation
    "a body past its length": raw(
        b'{"query": "{ __typename }", "variables": {"x": "' + b"a" * BODY_BYTES + b'"}}', status=413, words="bytes"
    ),
    "a NUL in the document": asking("{ __type\0name }", BAD, words="Syntax"),
    "half a surrogate": raw(b'{"query": "{ user(handle: \\"\\ud800\\") { id } }"}'),
    "bytes that are no text": raw(b'{"query": "{ __typename \xff\xfe }"}'),
    "a byte order mark before the body": raw(b'\xef\xbb\xbf{"query": "{ __typename }"}'),
    "a query that is a number": raw('{"query": 5}'),
    "an operation name of one hundred thousand letters": raw(json.dumps({"query": "{ __typename }", "operationName": "A" * 100_000})),
    "variables that are a list": raw('{"query": "{ __typename }", "variables": []}'),
    "nothing": raw(""),
    # batches
    "eleven operations": raw(json.dumps([{"query": "{ __typename }"}] * 11), words="batch"),
    "no operation": raw("[]", words="batch"),
    "a batch of batches": raw(json.dumps([[{"query": "{ __typename }"}] * 10] * 10)),
    "ten thousand operations": raw(json.dumps([{"query": "{a}"}] * 10_000), words="batch"),
    "ten operations that are dear together": Refusal(
        body=json.dumps(
            [
                {
                    "query": "{ forYou(first: 20) { edges { node { id caption creator { id handle videos(first: 20) { edges { cursor } } } } } } }"
                }
            ]
            * 10
        ).encode(),
        code=COSTLY,
        limit="cost",
    ),
    "a subscription among queries": raw(
        json.dumps([{"query": "{ __typename }"}, {"query": "subscription { uploadProgress(uploadId: 5) { id } }"}])
    ),
}
