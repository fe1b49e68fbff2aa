"""Sessions, passwords and privacy on a whole system: what ends in one place is over in every other within seconds."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from devstack.client import Api, ApiError, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SESSIONS = "{ me { sessions { edges { node { id current } } } } }"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder, CLIPMESH_BOOTSTRAP_ROLES="otto:operator")
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def elsewhere(stage: Stage, handle: str, password: str) -> Api:
    """The same person in another browser, which does not sign in again by itself."""
    api = replace(stage.people[handle], token="")
    await api.sign_in(handle, password)
    api._refresh_token = ""
    return api


async def sessions(api: Api) -> list[dict[str, Any]]:
    """Where somebody is signed in."""
    return [edge["node"] for edge in (await api.query(SESSIONS))["me"]["sessions"]["edges"]]


async def over(api: Api) -> None:
    """Wait until the token of somebody is believed no more."""

    async def refused() -> bool:
        try:
            await api.query("{ me { email } }")
        except ApiError as error:
            return error.code == "UNAUTHENTICATED"
        return False

    await until(refused, what="the session is over", timeout_s=10)
    await api.close()


async def test_ending_the_other_sessions_ends_them_at_the_gateway(stage: Stage) -> None:
    ada = await stage.person("ada")
    other = await elsewhere(stage, "ada", "watch-ada-clips")
    assert [one["current"] for one in await sessions(ada)] == [False, True]
    assert (await ada.mutate("endOtherSessions", "EndOtherSessionsInput", "ended"))["ended"] == 1
    await over(other)
    assert [one["current"] for one in await sessions(ada)] == [True]


async def test_a_new_password_ends_the_other_sessions_and_a_mailed_link_ends_all(stage: Stage) -> None:
    bea = await stage.person("bea")
    other = await elsewhere(stage, "bea", "watch-bea-clips")
    words = {"currentPassword": "watch-bea-clips", "newPassword": "a second battery staple", "requestId": new_request_id()}
    assert (await bea.mutate("changePassword", "ChangePasswordInput", "changed", **words))["changed"]
    await over(other)
    assert len(await sessions(bea)) == 1
    visitor = Api(stage.system.layout.origin)
    for email in ("bea@example.com", "nobody@example.com"):
        assert (await visitor.mutate("requestPasswordReset", "RequestPasswordResetInput", "taken", email=email))["taken"]

    async def link() -> str:
        logs = "".join(path.read_text() for path in (stage.folder / "run/logs").glob("*.log"))
        found = re.findall(rf"{re.escape(stage.system.layout.origin)}/reset-password#([\w-]+)", logs)
        return found[0] if found else ""

    secret = await until(link, what="the link is in the log", timeout_s=10)
    last = "a third battery staple"
    words = {"token": secret, "newPassword": last, "requestId": new_request_id()}
    assert (await visitor.mutate("resetPassword", "ResetPasswordInput", "changed", **words))["changed"]
    await visitor.close()
    last_seen = replace(bea)
    last_seen._refresh_token = ""
    await over(last_seen)
    await bea.sign_in("bea", last)
    assert len(await sessions(bea)) == 1


async def test_a_private_account_asks_who_follows(stage: Stage) -> None:
    cleo, dora = await stage.person("cleo"), await stage.person("dora")
    payload = await cleo.mutate(
        "updatePrivacy", "UpdatePrivacyInput", "account { user { id } privacy { isPrivate } }", isPrivate=True, requestId=new_request_id()
    )
    assert payload["account"]["privacy"] == {"isPrivate": True}
    cleo_id = payload["account"]["user"]["id"]
    followed = await dora.mutate("follow", "FollowInput", "relationship { follow }", userId=cleo_id, requestId=new_request_id())
    assert followed["relationship"] == {"follow": "REQUESTED"}


async def test_who_is_banned_is_out_at_the_gateway_and_gets_in_no_more(stage: Stage) -> None:
    otto, elsa = await stage.person("otto"), await stage.person("elsa")
    elsa_id = (await elsa.query("{ me { user { id } } }"))["me"]["user"]["id"]
    other = await elsewhere(stage, "elsa", "watch-elsa-clips")
    with pytest.raises(ApiError) as refused:
        await elsa.mutate("setBan", "SetBanInput", "banned", userId=elsa_id, banned=True)
    assert refused.value.code == "FORBIDDEN"
    assert (await otto.mutate("setBan", "SetBanInput", "banned", userId=elsa_id, banned=True))["banned"]
    await over(other)
    with pytest.raises(ApiError):
        await elsa.sign_in("elsa", "watch-elsa-clips")
    assert not (await otto.mutate("setBan", "SetBanInput", "banned", userId=elsa_id, banned=False))["banned"]
    await elsa.sign_in("elsa", "watch-elsa-clips")
    assert [one["current"] for one in await sessions(elsa)] == [True]
