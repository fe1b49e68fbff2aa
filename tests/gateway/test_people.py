"""Sessions, passwords and privacy through GraphQL: what services are asked, and how refusals are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as identity
from clipmesh.social.v1 import profile_service_pb2 as profiles

from gateway.devices import device_words
from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unauthenticated, Unavailable
from mesh.tokens import STALE_AFTER_MS, AccessTokenVerifier
from tests.gateway.world import World, token

SESSIONS = """query($first: Int!, $after: String) { me { sessions(first: $first, after: $after) {
  edges { cursor node { id client device createdAt lastUsedAt current } } pageInfo { hasNextPage endCursor } } } }"""
ERRORS = "userErrors { code retryable }"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

CASES: list[tuple[str, str, dict[str, Any], Any, dict[str, Any]]] = [
    (
        "EndSession",
        "endedSessionId",
        {"sessionId": "71"},
        identity.EndSessionRequest(session_id=71),
        {"endedSessionId": "71"},
    ),
    ("EndOtherSessions", "ended", {}, identity.EndAllSessionsRequest(keep_current=True), {"ended": 2}),
    ("EndOtherSessions", "ended", {"includingThis": True}, identity.EndAllSessionsRequest(), {"ended": 2}),
    (
        "ChangePassword",
        "changed",
        {"currentPassword": "old", "newPassword": "new", "requestId": "r"},
        identity.ChangePasswordRequest(request_id="r", current_password="old", new_password="new", client_address="127.0.0.1"),
        {"changed": True},
    ),
    (
        "RequestPasswordReset",
        "taken",
        {"email": "a@example.org"},
        identity.RequestPasswordResetRequest(email="a@example.org", client_address="127.0.0.1"),
        {"taken": True},
    ),
    (
        "ResetPassword",
        "changed",
        {"token": "t", "newPassword": "new", "requestId": "r"},
        identity.ResetPasswordRequest(request_id="r", token="t", new_password="new", client_address="127.0.0.1"),
        {"changed": True},
    ),
    (
        "RequestEmailVerification",
        "taken",
        {"requestId": "r"},
        identity.RequestEmailVerificationRequest(request_id="r", client_address="127.0.0.1"),
        {"taken": True},
    ),
    ("VerifyEmail", "verified", {"token": "t"}, identity.VerifyEmailRequest(token="t", client_address="127.0.0.1"), {"verified": True}),
]
IDS = [f"{name}{number}" for number, (name, *_) in enumerate(CASES)]


def method_of(name: str) -> str:
    """The RPC behind a mutation."""
    return "EndAllSessions" if name == "EndOtherSessions" else name


def mutation(name: str, field: str) -> str:
    """A mutation that asks for one field and the errors."""
    return f"mutation($input: {name}Input!) {{ {name[0].lower()}{name[1:]}(input: $input) {{ {field} {ERRORS} }} }}"


def answering(answer: Any) -> Callable[[Any], Awaitable[Any]]:
    """A fake that says this, or raises it."""

    async def answered(_: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return answered


async def test_own_sessions_come_in_pages_and_say_which_one_asks(world: World) -> None:
    seen, after = [], None
    for more in (True, False):
        body = await world.ask(SESSIONS, bearer=token(session_id=71), first=2, after=after)
        page = body["data"]["me"]["sessions"]
        seen += [(edge["node"]["id"], edge["node"]["current"]) for edge in page["edges"]]
        assert page["pageInfo"]["hasNextPage"] is more
        after = page["pageInfo"]["endCursor"]
    assert seen == [("70", False), ("71", True), ("72", False)]
    assert page["edges"][0]["node"] == {
        "id": "72",
        "client": "clipmesh-web",
        "device": "Firefox on Linux",
        "createdAt": "2025-10-09T08:53:20.000Z",
        "lastUsedAt": "2025-10-09T08:53:20.001Z",
        "current": False,
    }
    assert [one.login_session_id for one in (call.viewer for call in world.fakes.calls) if one.user_id] == [71] * 4


@pytest.mark.parametrize(("name", "field", "words", "request_", "shown"), CASES, ids=IDS)
async def test_a_mutation_asks_once_and_says_how_it_went(
    world: World, name: str, field: str, words: dict[str, Any], request_: Any, shown: dict[str, Any]
) -> None:
    answer = identity.EndAllSessionsResponse(ended=2) if name == "EndOtherSessions" else getattr(identity, f"{method_of(name)}Response")()
    world.fakes.answers[method_of(name)] = answering(answer)
    body = await world.ask(mutation(name, field), bearer=token(), input=words)
    assert body == {"data": {name[0].lower() + name[1:]: {**shown, "userErrors": []}}}
    assert world.fakes.requests(method_of(name)) == [request_]


@pytest.mark.parametrize(
    ("name", "field", "words", "error", "reason", "retryable"),
    [
        ("EndSession", "endedSessionId", {"sessionId": "9"}, NotFound, "SESSION_NOT_FOUND", False),
        ("ChangePassword", "changed", {"currentPassword": "o", "newPassword": "n"}, Unauthenticated, "WRONG_CREDENTIALS", False),
        ("ChangePassword", "changed", {"currentPassword": "o", "newPassword": "n"}, ResourceExhausted, "TOO_MANY_ATTEMPTS", True),
        ("ResetPassword", "changed", {"token": "t", "newPassword": "n"}, InvalidArgument, "INVALID_MAIL_TOKEN", False),
        ("RequestPasswordReset", "taken", {"email": "a@example.org"}, ResourceExhausted, "TOO_MANY_ATTEMPTS", True),
        ("VerifyEmail", "verified", {"token": "t"}, InvalidArgument, "INVALID_MAIL_TOKEN", False),
        ("UpdatePrivacy", "account { email }", {"messages": "EVERYONE"}, FailedPrecondition, "NOT_AT_THIS_AGE", False),
    ],
)
async def test_a_refusal_is_a_user_error(
    world: World, name: str, field: str, words: dict[str, Any], error: type[Any], reason: str, retryable: bool
) -> None:
    refusal = error("no")
    refusal.reason = reason
    world.fakes.answers[method_of(name)] = answering(refusal)
    body = await world.ask(mutation(name, field), bearer=token(), input=words)
    (payload,) = body["data"].values()
    assert payload["userErrors"] == [{"code": reason, "retryable": retryable}]
    assert not payload[field.partition(" ")[0]]


async def test_privacy_is_told_and_only_what_is_given_is_changed(world: World) -> None:
    what = "privacy { isPrivate comments duets stitches messages } emailVerified"
    expected = {"isPrivate": False, "comments": "EVERYONE", "duets": "EVERYONE", "stitches": "FOLLOWERS", "messages": "FRIENDS"}
    body = await world.ask(f"{{ me {{ {what} }} }}", bearer=token())
    assert body["data"]["me"] == {"privacy": expected, "emailVerified": False}
    nobody = profiles.AUDIENCE_NOBODY
    closed = profiles.Privacy(is_private=True, comments=nobody, duets=nobody, stitches=nobody, messages=nobody)
    account = profiles.Account(privacy=closed)
    world.fakes.answers["UpdatePrivacy"] = answering(profiles.UpdatePrivacyResponse(account=account))
    words = {"requestId": "r", "isPrivate": True, "comments": "NOBODY"}
    body = await world.ask(mutation("UpdatePrivacy", f"account {{ {what} }}"), bearer=token(), input=words)
    assert body["data"]["updatePrivacy"]["account"]["privacy"] == {"isPrivate": True, **dict.fromkeys(list(expected)[1:], "NOBODY")}
    assert world.fakes.requests("UpdatePrivacy") == [
        profiles.UpdatePrivacyRequest(request_id="r", is_private=True, comments=profiles.AUDIENCE_NOBODY)
    ]


async def test_the_device_of_a_sign_in_is_told_in_words_of_ours(world: World) -> None:
    world.fakes.answers["ExchangeCode"] = answering(
        identity.ExchangeCodeResponse(tokens=identity.TokenPair(user_id=7, expires_in_ms=600_000))
    )
    form = {"grant_type": "authorization_code", "code": "c", "code_verifier": "v", "client_id": "clipmesh-web", "redirect_uri": "r"}
    for agent in (AGENT, "<script>alert(1)</script>"):
        await world.http.post("/oauth/token", data=form, headers={"user-agent": agent})
    assert [request.device for request in world.fakes.requests("ExchangeCode")] == ["Firefox on Linux", ""]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (AGENT, "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "macOS"),
        ("curl/8.0", ""),
        ("", ""),
        ("x" * 600 + "Firefox/1 Linux", ""),
    ],
)
def test_words_for_browsers(agent: str, words: str) -> None:
    assert device_words(agent) == words


async def test_while_nobody_knows_of_a_session_it_reads_without_its_privileges(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Social says nothing on the topic and answers nothing: the gateway signs a context that says so."""
    roles = (viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_MODERATOR)
    monkeypatch.setattr(AccessTokenVerifier, "silent_ms", property(lambda _: STALE_AFTER_MS + 1))
    world.fakes.answers["GetSession"] = answering(Unavailable())
    body = await world.ask("{ me { roles } }", bearer=token(roles=roles))
    assert body["data"]["me"] == {"roles": ["VIEWER"]}
    (asked,) = [call.viewer for call in world.fakes.calls if call.method == "GetMyAccount"]
    assert (asked.login_unconfirmed, list(asked.roles)) == (True, [viewer_pb2.ROLE_VIEWER])
