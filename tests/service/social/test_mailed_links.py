"""Mailed links: who asks learns nothing, a secret works once and for half an hour, and stands nowhere in clear."""

from __future__ import annotations

import logging

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2 as profile_pb

from mesh.client import RpcFailed
from mesh.errors import ResourceExhausted, Unauthenticated
from mesh.stores.tables.requests import RequestRecord
from svc_social.identity.mail import LogMailer, Mail, MailKind, open_mailer
from svc_social.identity.posting import MOST_WAITING
from svc_social.identity.session_tables import MailToken, Session, SessionEnd, SignInAttempts
from svc_social.identity.tables import Account, Credential
from tests.service.social.world import ORIGIN, PASSWORD, World

NEW = "another battery staple"
HALF_HOUR_MS = 30 * 60_000


async def ask_reset(world: World, email: str = "alice@example.org", *, address: str = "203.0.113.7") -> pb.RequestPasswordResetResponse:
    """Ask for a link."""
    return await world.identity.RequestPasswordReset(pb.RequestPasswordResetRequest(email=email, client_address=address))


async def mailed(world: World) -> list[str]:
    """The secrets that were mailed until now."""
    await world.app.posting.drain()
    return [mail.link.partition("#")[2] for mail in world.mailbox.mails]


async def reset(world: World, token: str, *, new: str = NEW, request_id: str = "r1", address: str = "203.0.113.7") -> None:
    """Set a password."""
    request = pb.ResetPasswordRequest(request_id=request_id, token=token, new_password=new, client_address=address)
    await world.identity.ResetPassword(request)


async def ask_verification(world: World, user_id: int, request_id: str = "v1") -> None:
    """Ask for a link to one's own address."""
    request = pb.RequestEmailVerificationRequest(request_id=request_id, client_address="203.0.113.7")
    await world.identity_as(user_id).RequestEmailVerification(request)


async def test_a_link_sets_a_new_password_and_ends_all_sessions(world: World) -> None:
    alice = await world.sign_up("alice")
    await world.sign_in()
    await ask_reset(world, " Alice@Example.ORG ")
    (secret,) = await mailed(world)
    assert [(mail.to, mail.kind, mail.user_id) for mail in world.mailbox.mails] == [("alice@example.org", MailKind.RESET_PASSWORD, alice)]
    assert world.mailbox.mails[0].link == f"{ORIGIN}/reset-password#{secret}"
    await reset(world, secret)
    assert [row.ended for row in await world.rows(Session)] == [SessionEnd.PASSWORD_CHANGED]
    with pytest.raises(Unauthenticated):
        await world.authorize()
    assert await world.authorize(password=NEW)


async def test_the_answer_is_the_same_and_as_early_whoever_it_is_about(world: World) -> None:
    await world.sign_up("alice")
    before = len(world.mailbox.mails), len(await world.rows(MailToken))
    answers = [await ask_reset(world, email) for email in ("alice@example.org", "nobody@example.org")]
    assert answers[0] == answers[1]
    # Nothing was looked up yet, so that the time of the answer cannot say anything either.
    assert (len(world.mailbox.mails), len(await world.rows(MailToken))) == before
    assert len(await mailed(world)) == 1
    for email in ("alice@example.org", "nobody@example.org"):
        for _ in range(4):
            await ask_reset(world, email)
        with pytest.raises(RpcFailed) as failed:
            await ask_reset(world, email)
        assert (failed.value.reason, failed.value.retry_after_ms) == ("TOO_MANY_ATTEMPTS", 3_600_000)


async def test_a_secret_works_once_and_its_use_ends_the_others(world: World) -> None:
    await world.sign_up("alice")
    await ask_reset(world)
    await ask_reset(world)
    first, second = await mailed(world)
    await reset(world, first)
    before = await world.rows(Credential)
    for number, secret in enumerate((first, second)):
        with pytest.raises(RpcFailed) as failed:
            await reset(world, secret, new="yet another staple", request_id=f"again{number}")
        assert failed.value.reason == "INVALID_MAIL_TOKEN"
    # The same request again is no second use.
    await reset(world, first, address="198.51.100.9")
    assert await world.rows(Credential) == before


async def test_a_secret_is_good_for_half_an_hour(world: World) -> None:
    await world.sign_up("alice")
    await ask_reset(world)
    (secret,) = await mailed(world)
    world.clock.advance(HALF_HOUR_MS)
    with pytest.raises(RpcFailed) as failed:
        await reset(world, secret)
    assert failed.value.reason == "INVALID_MAIL_TOKEN"
    assert await world.authorize()


@pytest.mark.parametrize("new", ["short", "alice@example.org"])
async def test_a_weak_password_is_refused_and_the_secret_stays_good(world: World, new: str) -> None:
    await world.sign_up("alice")
    await ask_reset(world)
    (secret,) = await mailed(world)
    with pytest.raises(RpcFailed) as failed:
        await reset(world, secret, new=new)
    assert failed.value.reason == "PASSWORD_TOO_WEAK"
    await reset(world, secret, request_id="r2")


async def test_a_changed_password_ends_the_secrets_of_the_old_one(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    await ask_reset(world)
    (secret,) = await mailed(world)
    await world.identity_in(here).ChangePassword(pb.ChangePasswordRequest(request_id="c1", current_password=PASSWORD, new_password=NEW))
    with pytest.raises(RpcFailed) as failed:
        await reset(world, secret, new="yet another staple")
    assert failed.value.reason == "INVALID_MAIL_TOKEN"


async def test_secrets_stand_as_hashes_and_serve_one_purpose(world: World) -> None:
    alice = await world.sign_up("alice")
    await ask_reset(world)
    await ask_verification(world, alice)
    to_reset, to_verify = await mailed(world)
    rows = await world.rows(MailToken)
    assert {len(row.token_hash) for row in rows} == {32}
    assert to_reset not in repr(rows)
    assert to_verify not in repr(rows)
    with pytest.raises(RpcFailed) as failed:
        await reset(world, to_verify)
    assert failed.value.reason == "INVALID_MAIL_TOKEN"
    with pytest.raises(RpcFailed) as failed:
        await world.identity.VerifyEmail(pb.VerifyEmailRequest(token=to_reset))
    assert failed.value.reason == "INVALID_MAIL_TOKEN"
    assert [row.email_verified for row in await world.rows(Account)] == [False]


async def test_one_network_may_ask_for_thirty_mails_an_hour(world: World) -> None:
    for number in range(30):
        await ask_reset(world, f"person{number}@example.org")
    with pytest.raises(RpcFailed) as failed:
        await ask_reset(world, "person30@example.org")
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    await ask_reset(world, "person30@example.org", address="198.51.100.9")


async def test_a_full_queue_claims_no_request_and_counts_no_try(world: World) -> None:
    alice = await world.sign_up("alice")
    before = await world.rows(RequestRecord), await world.rows(SignInAttempts)

    async def nothing() -> None:
        pass

    for _ in range(MOST_WAITING):
        world.app.posting.post(nothing)
    with pytest.raises(RpcFailed) as failed:
        await ask_verification(world, alice)
    assert failed.value.code.name == "RESOURCE_EXHAUSTED"
    assert (await world.rows(RequestRecord), await world.rows(SignInAttempts)) == before
    assert await world.app.posting.drain() == MOST_WAITING
    await ask_verification(world, alice)
    assert len(await mailed(world)) == 1


async def test_a_place_that_is_held_is_given_to_nobody_else(world: World) -> None:
    async def nothing() -> None:
        pass

    for _ in range(MOST_WAITING - 1):
        world.app.posting.post(nothing)
    with world.app.posting.room() as put:
        with pytest.raises(ResourceExhausted):
            world.app.posting.post(nothing)
        put(nothing)
    with pytest.raises(ResourceExhausted):
        world.app.posting.post(nothing)
    assert await world.app.posting.drain() == MOST_WAITING


async def test_all_addresses_of_one_ipv6_customer_are_one_network(world: World) -> None:
    for number in range(30):
        await ask_reset(world, f"person{number}@example.org", address=f"2001:db8:1:2:{number:x}::7")
        with pytest.raises(RpcFailed) as failed:
            await reset(world, f"guess {number}", request_id=f"g{number}", address=f"2001:db8:1:2:{number:x}::7")
        assert failed.value.reason == "INVALID_MAIL_TOKEN"
    with pytest.raises(RpcFailed) as failed:
        await ask_reset(world, "person30@example.org", address="2001:db8:1:2:ffff::1")
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    with pytest.raises(RpcFailed) as failed:
        await reset(world, "guess 30", request_id="g30", address="2001:db8:1:2:ffff::1")
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    await ask_reset(world, "person30@example.org", address="2001:db8:1:3::1")


async def test_one_network_may_try_thirty_secrets_in_a_quarter_of_an_hour(world: World) -> None:
    await world.sign_up("alice")
    await ask_reset(world)
    (secret,) = await mailed(world)
    for number in range(30):
        with pytest.raises(RpcFailed) as failed:
            await reset(world, f"guess {number}", request_id=f"g{number}")
        assert failed.value.reason == "INVALID_MAIL_TOKEN"
    with pytest.raises(RpcFailed) as failed:
        await reset(world, secret)
    assert (failed.value.reason, failed.value.retry_after_ms) == ("TOO_MANY_ATTEMPTS", 15 * 60_000)
    await reset(world, secret, request_id="r2", address="198.51.100.9")


async def test_resets_open_an_account_that_failures_closed(world: World) -> None:
    await world.sign_up("alice")
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await world.authorize(password="wrong password")
    await ask_reset(world)
    (secret,) = await mailed(world)
    await reset(world, secret)
    assert await world.authorize(password=NEW)


@pytest.mark.parametrize("email", ["no address", "a@b", "@example.org"])
async def test_what_is_no_address_is_named_and_nothing_waits(world: World, email: str) -> None:
    with pytest.raises(RpcFailed) as failed:
        await ask_reset(world, email)
    assert failed.value.reason == "INVALID_EMAIL"
    assert await world.app.posting.drain() == 0


async def test_a_link_verifies_the_address_and_may_be_opened_again(world: World) -> None:
    alice = await world.sign_up("alice")
    for _ in range(2):
        await ask_verification(world, alice)
    (secret,) = await mailed(world)
    assert world.mailbox.mails[0].link == f"{ORIGIN}/verify-email#{secret}"
    for _ in range(2):
        await world.identity.VerifyEmail(pb.VerifyEmailRequest(token=secret))
    account = (await world.profiles(alice).GetMyAccount(profile_pb.GetMyAccountRequest())).account
    assert account.email_verified
    assert [row.version for row in await world.rows(Account)] == [2]
    await ask_verification(world, alice, "v2")
    assert await world.app.posting.drain() == 0


async def test_an_unknown_secret_is_named(world: World) -> None:
    await world.sign_up("alice")
    for token in ("unknown", "x" * 43, "'; DROP TABLE mail_tokens; --"):
        with pytest.raises(RpcFailed) as failed:
            await world.identity.VerifyEmail(pb.VerifyEmailRequest(token=token))
        assert failed.value.reason == "INVALID_MAIL_TOKEN"


async def test_a_mailer_that_fails_tells_the_log_neither_address_nor_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.sign_up("alice")

    async def broken(mail: Mail) -> None:
        raise OSError(f"cannot reach {mail.to} with {mail.link}")

    world.mailbox.send = broken  # type: ignore[method-assign]
    await ask_reset(world)
    with caplog.at_level(logging.DEBUG):
        assert await world.app.posting.drain() == 1
    assert [record.getMessage() for record in caplog.records if record.name == "clipmesh.social"] == ["a mail was not sent"]
    assert "alice@" not in caplog.text
    assert "#" not in caplog.text


async def test_the_log_adapter_has_the_link_in_its_one_line_and_the_address_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    mail = Mail(to="alice@example.org", kind=MailKind.RESET_PASSWORD, link="https://clipmesh.example/reset-password#s3cr3t", user_id=7)
    with caplog.at_level(logging.INFO):
        await LogMailer().send(mail)
    (record,) = caplog.records
    assert record.name == "clipmesh.mail"
    assert mail.link in record.getMessage()
    assert "alice" not in caplog.text
    assert "s3cr3t" not in repr(mail)


def test_only_the_log_adapter_is_known() -> None:
    assert isinstance(open_mailer("log:"), LogMailer)
    with pytest.raises(ValueError, match="log:"):
        open_mailer("smtp://mail.example")
