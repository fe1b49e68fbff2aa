"""Headers of a request are found by name as Starlette finds them."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from gateway.protocols.requests import ClientRequest

RAW = [(b"accept", b"a"), (b"x-forwarded-for", b"1"), (b"x-forwarded-for", b"2"), (b"x-odd", b"\xff"), (b"cookie", b"c=1")]


@pytest.mark.parametrize("name", ["accept", "Accept", "x-forwarded-for", "x-odd", "cookie", "nothing"])
def test_a_header_is_what_starlette_says(name: str) -> None:
    scope = {"type": "http", "method": "GET", "headers": list(RAW)}
    ours, theirs = ClientRequest(scope).headers, Request(scope).headers
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, "-") == theirs.get(name, "-")
    assert (name in ours) == (name in theirs)
    assert ours.getlist(name) == theirs.getlist(name)
    if name in theirs:
        assert ours[name] == theirs[name]
    else:
        with pytest.raises(KeyError):
            ours[name]
    assert ours.items() == theirs.items()
    assert ClientRequest(scope).cookies == {"c": "1"}
