"""Which services and viewers a server believes, and whom each method serves."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from clipmesh.common.v1 import viewer_pb2

from mesh.auth import current_caller, current_viewer
from mesh.errors import PermissionDenied, SignInRequired, Unauthenticated
from mesh.secrets import Secrets
from mesh.server import SIGNED_IN, Access, roles
from mesh.service_tokens import METADATA_KEY
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import private_key_of, serve, viewer
from tests.contract.rpc.probe import (
    ListReviewsRequest,
    ListReviewsResponse,
    Probe,
    Stub,
    ask,
    refused,
    served_by,
    signed_viewer,
    token,
    viewer_metadata,
)


async def tell_who(_: Any) -> Any:
    return ListReviewsResponse(next_page_token=f"{current_caller()}/{current_viewer().user_id}/{current_viewer().region}")


async def served_ok(served: Any, *metadata: Any) -> bool:
    return isinstance(await ask(served, metadata=metadata), bytes)


async def test_a_servicer_knows_caller_and_viewer() -> None:
    async with serve(served_by(Probe(lists=tell_who)), service="rights") as served:
        answer = await served.stub(Stub, viewer=viewer(user_id=7, region="FR")).ListReviews(ListReviewsRequest())
        assert answer.next_page_token == "gateway/7/FR"
        anonymous = await served.stub(Stub).ListReviews(ListReviewsRequest())
        assert anonymous.next_page_token == "gateway/0/"


async def test_a_call_without_a_token_is_refused() -> None:
    probe = Probe()
    async with serve(served_by(probe), service="rights") as served:
        failed = await refused(served)
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert probe.listed == 0


async def test_a_known_service_that_is_not_listed_is_refused() -> None:
    probe = Probe()
    async with serve(served_by(probe), service="rights") as served:
        with pytest.raises(PermissionDenied) as failed:
            await served.stub(Stub, caller="stranger").ListReviews(ListReviewsRequest())
    assert failed.value.reason == "FORBIDDEN"
    assert probe.listed == 0


async def test_lists_differ_by_method() -> None:
    probe = Probe()
    async with serve(served_by(probe, lists=Access(callers={"video"})), service="rights") as served:
        await served.stub(Stub, caller="video").ListReviews(ListReviewsRequest())
        with pytest.raises(PermissionDenied):
            await served.stub(Stub, caller="gateway").ListReviews(ListReviewsRequest())
    assert probe.listed == 1


async def test_tokens_for_others_by_others_and_out_of_time_are_refused() -> None:
    clock, probe = FakeClock(), Probe()
    imposter = Secrets(service="gateway", private_key=private_key_of("imposter"), peers={})
    unheard = Secrets(service="unheard", private_key=private_key_of("unheard"), peers={})
    async with serve(served_by(probe), service="rights", clock=clock) as served:
        good = token(clock)
        header, payload, signature = good[1].split(".")
        for bad in (
            token(clock, audience="video"),
            token(clock, secrets=imposter),
            token(clock, secrets=unheard),
            (METADATA_KEY, "no token at all"),
            (METADATA_KEY, f"{header}.{payload}."),
            (METADATA_KEY, f"{header}.{payload}.{signature[::-1]}"),
            (METADATA_KEY, f"{payload}.{payload}.{signature}"),
        ):
            failed = await refused(served, metadata=[bad])
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), bad
        clock.advance(299_000)
        assert await served_ok(served, good)
        clock.advance(7_000)
        assert (await refused(served, metadata=[good])).message == "the service token has expired"
    assert probe.listed == 1


async def test_a_stub_renews_its_token() -> None:
    clock, probe = FakeClock(), Probe()
    async with serve(served_by(probe), service="rights", clock=clock) as served:
        stub = served.stub(Stub)
        for _ in range(5):
            await stub.ListReviews(ListReviewsRequest())
            clock.advance(200_000)
    assert probe.listed == 5


@pytest.mark.parametrize("signer", ["video", "rights", "stranger"])
async def test_a_viewer_is_believed_from_the_gateway_only(signer: str) -> None:
    clock, probe = FakeClock(), Probe()
    async with serve(served_by(probe), service="rights", clock=clock) as served:
        forged = signed_viewer(clock, viewer(user_id=7), signer=signer)
        failed = await refused(served, metadata=[token(clock), viewer_metadata(forged)])
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert probe.listed == 0


async def test_a_changed_viewer_context_is_refused() -> None:
    clock, probe = FakeClock(), Probe()
    async with serve(served_by(probe), service="rights", clock=clock) as served:
        signed = signed_viewer(clock, viewer(user_id=7))
        other_user, later = viewer_pb2.SignedViewerContext(), viewer_pb2.SignedViewerContext()
        other_user.CopyFrom(signed)
        other_user.context = viewer(user_id=8).SerializeToString()
        later.CopyFrom(signed)
        later.expires_at_ms += 1
        gateway_key_claimed = signed_viewer(clock, viewer(user_id=7), signer="video")
        gateway_key_claimed.key_id = signed.key_id
        for changed in (other_user, later, gateway_key_claimed, viewer_pb2.SignedViewerContext()):
            changed_or_junk = viewer_metadata(changed) if changed.context else ("clipmesh-viewer-bin", b"\xff\xff")
            failed = await refused(served, metadata=[token(clock), changed_or_junk])
            assert failed.reason == "UNAUTHENTICATED"
    assert probe.listed == 0


async def test_a_viewer_context_expires_even_after_it_was_believed_once() -> None:
    clock, probe = FakeClock(), Probe()
    async with serve(served_by(probe), service="rights", clock=clock) as served:
        metadata = [token(clock), viewer_metadata(signed_viewer(clock, viewer(user_id=7), ttl_ms=60_000))]
        clock.advance(59_999)
        assert await served_ok(served, *metadata)
        clock.advance(1)
        failed = await refused(served, metadata=metadata)
    assert (failed.reason, failed.message) == ("UNAUTHENTICATED", "the viewer context has expired")
    assert probe.listed == 1


async def test_methods_for_signed_in_viewers() -> None:
    probe = Probe()
    async with serve(served_by(probe, lists=Access(callers={"gateway"}, viewer=SIGNED_IN)), service="rights") as served:
        for who in (None, viewer()):
            with pytest.raises(Unauthenticated) as failed:
                await served.stub(Stub, viewer=who).ListReviews(ListReviewsRequest())
            assert failed.value.reason == SignInRequired.reason
        await served.stub(Stub, viewer=viewer(user_id=1)).ListReviews(ListReviewsRequest())
    assert probe.listed == 1


@pytest.mark.parametrize(
    ("held", "admitted"),
    [
        ([], False),
        ([viewer_pb2.ROLE_CREATOR, viewer_pb2.ROLE_OPERATOR], False),
        ([viewer_pb2.ROLE_MODERATOR], True),
        ([viewer_pb2.ROLE_CREATOR, viewer_pb2.ROLE_ANALYST], True),
        ([viewer_pb2.ROLE_ADMIN], True),
    ],
)
async def test_methods_for_roles(held: list[Any], admitted: bool) -> None:
    probe = Probe()
    rule = roles(viewer_pb2.ROLE_MODERATOR, viewer_pb2.ROLE_ANALYST)
    async with serve(served_by(probe, lists=Access(callers={"gateway"}, viewer=rule)), service="rights") as served:
        stub = served.stub(Stub, viewer=viewer(user_id=7, roles=held))
        if admitted:
            await stub.ListReviews(ListReviewsRequest())
        else:
            with pytest.raises(PermissionDenied) as failed:
                await stub.ListReviews(ListReviewsRequest())
            assert failed.value.reason == "FORBIDDEN"
        with pytest.raises(Unauthenticated):
            await served.stub(Stub, viewer=viewer(roles=held)).ListReviews(ListReviewsRequest())
    assert probe.listed == int(admitted)
