"""Under mutual TLS nobody speaks without a certificate, it alone says who, nothing altered is believed, and new ones need no restart."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh.auth import current_caller
from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.errors import PermissionDenied, Unavailable
from mesh.server import Access, Server
from mesh.service_tokens import METADATA_KEY
from mesh.telemetry import Telemetry
from mesh.testing.rpc import process_for, secrets_for, serve
from mesh.tls import Tls, TlsFiles, name_of
from tests.contract.rpc.certificates import HOUR, Authority, Certificate
from tests.contract.rpc.corrupting import corrupting
from tests.contract.rpc.probe import LIST, ListReviewsRequest, ListReviewsResponse, Probe, Stub, served_by, token

SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)
SOON = timedelta(seconds=2)


@dataclass
class Told(Probe):
    """Answers with the caller, and keeps what came with the last call."""

    def __post_init__(self) -> None:
        super().__init__()
        self.metadata: Mapping[str, Any] = {}
        self.serial = 0
        self.entered, self.go_on = asyncio.Event(), asyncio.Event()

    async def ListReviews(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.listed += 1
        self.metadata = dict(context.invocation_metadata())
        if pem := context.auth_context().get("x509_pem_cert"):
            self.serial = x509.load_pem_x509_certificate(pem[0]).serial_number
        if request.page_token == "wait":
            self.entered.set()
            await self.go_on.wait()
        return ListReviewsResponse(next_page_token=f"{current_caller()}{request.page_token * 4}")


@dataclass
class Loopback:
    """A server of `rights` on a port of loopback, and what it takes to call it."""

    folder: Path
    authority: Authority
    probe: Told
    port: int
    files: TlsFiles

    def channels(self, files: TlsFiles, *, caller: str = "gateway") -> Channels:
        """The outward connections of a caller."""
        return Channels(
            secrets=secrets_for(caller),
            clock=SystemClock(),
            telemetry=Telemetry(service=caller),
            addresses={"rights": f"127.0.0.1:{self.port}"},
            tls=Tls(files, service=caller, look_every_s=0),
        )

    async def call(self, *, caller: str = "gateway", certificate: Certificate | None = None) -> str:
        """One call as a client of ours makes it."""
        certificate = certificate or self.authority.certificate(caller)
        channels = self.channels(certificate.write(self.folder, f"called-by-{caller}"), caller=caller)
        try:
            answer = await channels.stub(Stub, "rights").ListReviews(ListReviewsRequest())
            return str(answer.next_page_token)
        finally:
            await channels.close()

    async def bare(self, credentials: grpc.ChannelCredentials | None, *, metadata: Any = (), port: int = 0, data: bytes = b"") -> bytes:
        """One call as a client that keeps to no rules makes it."""
        target = f"127.0.0.1:{port or self.port}"
        options = [("grpc.ssl_target_name_override", name_of("rights")), ("grpc.enable_retries", 0)]
        channel = (
            grpc.aio.insecure_channel(target) if credentials is None else grpc.aio.secure_channel(target, credentials, options=options)
        )
        async with channel:
            answer: bytes = await channel.unary_unary(LIST)(data, metadata=metadata, timeout=3)
            return answer


@asynccontextmanager
async def loopback(
    folder: Path,
    *,
    authority: Authority | None = None,
    certificate: Certificate | None = None,
    access: Access | None = None,
    connection_ms: int = 600_000,
    plaintext: bool = False,
) -> AsyncIterator[Loopback]:
    """A server of `rights` that asks for certificates."""
    authority, probe = authority or Authority(), Told()
    files = (certificate or authority.certificate("rights")).write(folder, "rights")
    process = process_for("rights")
    tls = None if plaintext else Tls(files, service="rights", look_every_s=0, connection_ms=connection_ms)
    served = served_by(probe, lists=access)
    server = Server(services=[served], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry, tls=tls)
    try:
        yield Loopback(folder, authority, probe, await server.start("127.0.0.1:0"), files)
    finally:
        await server.stop(drain_wait_ms=0, grace_ms=500)
        await process.close()


async def test_the_certificate_alone_says_who_calls(tmp_path: Path) -> None:
    async with loopback(tmp_path, access=Access(callers={"gateway", "feed"})) as served:
        assert await served.call() == "gateway"
        assert METADATA_KEY not in served.probe.metadata
        assert await served.call(caller="feed") == "feed"


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("nobody", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("one who signs for itself", "certificate signature failure|self.signed certificate|unable to get"),
        ("one of another authority", "certificate signature failure|unable to get"),
        ("one whose time is over", "certificate has expired"),
        ("one whose time has not come", "certificate is not yet valid"),
        ("one who may only serve", "unsupported certificate purpose"),
    ],
)
async def test_strangers_get_no_connection_and_the_server_says_why(
    who: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with loopback(tmp_path) as served:
        ours = served.authority
        made = {
            "nobody": None,
            "one who signs for itself": ours.certificate("gateway", self_signed=True),
            "one of another authority": Authority().certificate("gateway"),
            "one whose time is over": ours.certificate("gateway", starts=-2 * HOUR, ends=-HOUR),
            "one whose time has not come": ours.certificate("gateway", starts=HOUR, ends=2 * HOUR),
            "one who may only serve": ours.certificate("gateway", uses=SERVER_ONLY),
        }[who]
        credentials = made.credentials() if made else grpc.ssl_channel_credentials(ours.pem)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await served.bare(credentials, metadata=[token(SystemClock())])
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert served.probe.listed == 0
    assert re.search(said, capfd.readouterr().err)


async def test_a_token_without_tls_opens_no_port_that_asks_for_certificates(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await served.bare(None, metadata=[token(SystemClock())])
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert served.probe.listed == 0


async def test_a_server_that_is_not_who_was_asked_for_hears_nothing(tmp_path: Path) -> None:
    ours, clients = Authority(), tmp_path / "clients"
    clients.mkdir()
    mine = ours.certificate("gateway")
    for name, other, reason in (
        ("plaintext", None, "handshake failed"),
        ("another authority", Authority().certificate("rights"), "CERTIFICATE_VERIFY_FAILED|signature failure"),
        ("over", ours.certificate("rights", starts=-2 * HOUR, ends=-HOUR), "CERTIFICATE_VERIFY_FAILED"),
        ("another service", ours.certificate("video"), "Hostname Verification Check failed"),
    ):
        probe = Told()
        server = grpc.aio.server()
        service = served_by(probe)
        service.add_to_server(probe, server)
        if other is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(other.key, other.chain)], ours.pem, True))
        await server.start()
        try:
            with pytest.raises(Unavailable) as failed:
                await Loopback(clients, ours, probe, port, mine.write(clients, "unused")).call(certificate=mine)
            assert re.search(reason, str(failed.value.__cause__)), failed.value.__cause__
        finally:
            await server.stop(0)
        assert probe.listed == 0, name


async def test_a_certificate_opens_only_the_methods_that_list_its_service(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        with pytest.raises(PermissionDenied, match="stranger may not call ListReviews") as failed:
            await served.call(caller="stranger")
        assert failed.value.reason == "FORBIDDEN"
        assert served.probe.listed == 0


async def test_a_token_has_to_name_the_service_of_the_certificate(tmp_path: Path) -> None:
    clock = SystemClock()
    async with loopback(tmp_path, access=Access(callers={"gateway", "feed"})) as served:
        feed = served.authority.certificate("feed").credentials()
        for wrong in (token(clock, caller="gateway"), token(clock, caller="feed", audience="video"), (METADATA_KEY, "gateway")):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await served.bare(feed, metadata=[wrong])
            assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert served.probe.listed == 0
        answer = await served.bare(feed, metadata=[token(clock, caller="feed")])
        assert ListReviewsResponse.FromString(answer).next_page_token == "feed"


@pytest.mark.parametrize("names", [(), ("gateway", "feed")])
async def test_a_certificate_that_names_no_service_or_several_is_nobody(names: tuple[str, ...], tmp_path: Path) -> None:
    async with loopback(tmp_path, access=Access(callers={"gateway", "feed"})) as served:
        with pytest.raises(grpc.aio.AioRpcError, match="names no service, or several") as failed:
            await served.bare(served.authority.certificate(*names).credentials(), metadata=[token(SystemClock())])
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert served.probe.listed == 0


async def test_sockets_stay_with_tokens_when_certificates_are_set(tmp_path: Path) -> None:
    tls = Tls(Authority().certificate("rights").write(tmp_path, "rights"), service="rights")
    probe = Told()
    async with serve(served_by(probe), service="rights") as served:
        channels = Channels(
            secrets=secrets_for("gateway"),
            clock=SystemClock(),
            telemetry=Telemetry(service="gateway"),
            addresses={"rights": served.address},
            tls=tls,
        )
        try:
            answer = await channels.stub(Stub, "rights").ListReviews(ListReviewsRequest())
        finally:
            await channels.close()
    assert answer.next_page_token == "gateway"
    assert METADATA_KEY in probe.metadata


CALLS = 24


async def outcomes(served: Loopback, credentials: grpc.ChannelCredentials | None, *, seed: int) -> tuple[int, int, int]:
    """Calls over a line that changes bits: how many were answered right, wrong, not at all."""
    right = wrong = failed = 0
    words = "w" * 400
    request = ListReviewsRequest(page_token=words).SerializeToString()
    expected = ListReviewsResponse(next_page_token=f"gateway{words * 4}").SerializeToString()
    async with corrupting(served.port, seed=seed) as line:
        for _ in range(CALLS):
            metadata = [token(SystemClock())] if credentials is None else []
            try:
                answer = await served.bare(credentials, metadata=metadata, port=line.port, data=request)
            except grpc.aio.AioRpcError:
                failed += 1
            else:
                right, wrong = right + (answer == expected), wrong + (answer != expected)
        assert line.changed > CALLS // 2
    return right, wrong, failed


async def test_altered_bytes_never_come_through_as_an_answer(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        _, wrong, failed = await outcomes(served, served.authority.certificate("gateway").credentials(), seed=1)
        assert wrong == 0
        assert failed > 0
    async with loopback(tmp_path, plaintext=True) as served:
        _, wrong, _ = await outcomes(served, None, seed=1)
        assert wrong > 0, "the line alters nothing that matters"


async def serial_shown(served: Loopback) -> int:
    """The number of the certificate that a new connection is shown, after the handshake that TLS 1.3 is."""
    mine = served.authority.certificate("gateway").write(served.folder, "looking")
    context = ssl.create_default_context(cafile=str(served.files.ca))
    context.load_cert_chain(mine.cert, mine.key)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context, server_hostname=name_of("rights"))
    found = writer.get_extra_info("ssl_object")
    assert found.version() == "TLSv1.3"
    writer.close()
    return x509.load_der_x509_certificate(found.getpeercert(binary_form=True)).serial_number


async def test_older_protocols_are_refused(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        mine = served.authority.certificate("gateway").write(tmp_path, "old")
        context = ssl.create_default_context(cafile=str(served.files.ca))
        context.load_cert_chain(mine.cert, mine.key)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", served.port, ssl=context, server_hostname=name_of("rights"))


async def test_a_server_shows_a_new_certificate_to_the_next_connection(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        before = await serial_shown(served)
        renewed = served.authority.certificate("rights")
        renewed.write(tmp_path, "rights")
        assert await serial_shown(served) == renewed.serial != before
        assert await served.call() == "gateway"


async def test_a_client_shows_a_new_certificate_with_the_next_call_and_calls_under_way_end_well(tmp_path: Path) -> None:
    async with loopback(tmp_path) as served:
        first, second = served.authority.certificate("gateway"), served.authority.certificate("gateway")
        channels = served.channels(first.write(tmp_path, "gateway"))
        try:
            stub = channels.stub(Stub, "rights")
            waiting = asyncio.create_task(stub.ListReviews(ListReviewsRequest(page_token="wait")))
            await asyncio.wait_for(served.probe.entered.wait(), 5)
            assert served.probe.serial == first.serial
            second.write(tmp_path, "gateway")
            await stub.ListReviews(ListReviewsRequest())
            assert served.probe.serial == second.serial
            served.probe.go_on.set()
            assert (await waiting).next_page_token == "gateway" + "wait" * 4
        finally:
            await channels.close()


async def test_files_that_do_not_fit_together_change_nothing_until_they_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with loopback(tmp_path) as served:
        first, second = served.authority.certificate("gateway"), served.authority.certificate("gateway")
        files = first.write(tmp_path, "gateway")
        channels = served.channels(files)
        try:
            stub = channels.stub(Stub, "rights")
            await stub.ListReviews(ListReviewsRequest())
            files.cert.write_bytes(second.chain)
            with caplog.at_level(logging.WARNING, "clipmesh.tls"):
                await stub.ListReviews(ListReviewsRequest())
                await stub.ListReviews(ListReviewsRequest())
            assert served.probe.serial == first.serial
            assert [record.getMessage() for record in caplog.records] == [
                f"the new certificate cannot be used, the old one stays: {files.key} is not the key of the certificate in {files.cert}"
            ]
            files.key.write_bytes(second.key)
            await stub.ListReviews(ListReviewsRequest())
            assert served.probe.serial == second.serial
        finally:
            await channels.close()


async def test_an_authority_follows_another_while_both_are_believed(tmp_path: Path) -> None:
    old, new = Authority("old"), Authority("new")
    async with loopback(tmp_path, authority=old) as served:
        channels = served.channels(old.certificate("gateway").write(tmp_path, "gateway"))
        try:
            stub = channels.stub(Stub, "rights")
            served.files.ca.write_bytes(old.pem + new.pem)
            (tmp_path / "gateway-ca.pem").write_bytes(old.pem + new.pem)
            await stub.ListReviews(ListReviewsRequest())
            moved = replace(new.certificate("rights"), believes=old.pem + new.pem)
            moved.write(tmp_path, "rights")
            assert await serial_shown(served) == moved.serial
            mine = replace(new.certificate("gateway"), believes=old.pem + new.pem)
            mine.write(tmp_path, "gateway")
            await stub.ListReviews(ListReviewsRequest())
            assert served.probe.serial == mine.serial
        finally:
            await channels.close()


async def until_refused(stub: Stub) -> None:
    async with asyncio.timeout(10):
        while True:
            await stub.ListReviews(ListReviewsRequest())
            await asyncio.sleep(0.05)


async def test_a_connection_does_not_outlive_its_certificate_for_long(tmp_path: Path) -> None:
    async with loopback(tmp_path, connection_ms=300) as served:
        channels = served.channels(served.authority.certificate("gateway", ends=SOON).write(tmp_path, "gateway"))
        try:
            stub = channels.stub(Stub, "rights")
            await stub.ListReviews(ListReviewsRequest())
            with pytest.raises(Unavailable):
                await until_refused(stub)
        finally:
            await channels.close()
