"""Permits speak for one issuer, subject, viewer and act, and not for long."""

from __future__ import annotations

import pytest
from clipmesh.common.v1 import permit_pb2

from mesh.errors import InvalidPermit
from mesh.permits import LONGEST_MS, SKEW_MS, Permits
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import secrets_for

VIEW, ENGAGE, COMMENT = permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_ENGAGE, permit_pb2.PERMIT_KIND_COMMENT


def permits(service: str, clock: FakeClock) -> Permits:
    return Permits(secrets=secrets_for(service), clock=clock)


def issued(clock: FakeClock, *, by: str = "video", viewer_id: int = 7, ttl_ms: int = LONGEST_MS) -> permit_pb2.SignedPermit:
    return permits(by, clock).issue(subject_id=3, viewer_id=viewer_id, kinds=[VIEW, ENGAGE], epoch=2, owner_id=9, ttl_ms=ttl_ms)


def test_a_permit_tells_what_its_issuer_said() -> None:
    clock = FakeClock()
    permit = permits("social", clock).verify(issued(clock), issuer="video", kind=ENGAGE, subject_id=3, viewer_id=7)
    assert permit == permit_pb2.Permit(
        issuer="video", subject_id=3, viewer_id=7, kinds=[VIEW, ENGAGE], epoch=2, owner_id=9, expires_at_ms=clock.now_ms() + 30_000
    )


def test_the_signature_is_plain_ed25519_over_the_permit() -> None:
    signed = issued(FakeClock())
    assert secrets_for("social").verify("video", signed.permit, signed.signature)
    assert signed.key_id == secrets_for("video").key_id


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": COMMENT},
        {"kind": permit_pb2.PERMIT_KIND_UNSPECIFIED},
        {"subject_id": 4},
        {"viewer_id": 8},
        {"viewer_id": 0},
        {"issuer": "feed"},
        {"issuer": "nobody"},
    ],
)
def test_a_permit_is_for_nothing_else(asked: dict[str, object]) -> None:
    clock = FakeClock()
    wanted: dict[str, object] = {"issuer": "video", "kind": VIEW, "subject_id": 3, "viewer_id": 7, **asked}
    with pytest.raises(InvalidPermit):
        permits("social", clock).verify(issued(clock), **wanted)


def test_an_anonymous_permit_is_for_anonymous_viewers_only() -> None:
    clock = FakeClock()
    anonymous = issued(clock, viewer_id=0)
    assert permits("social", clock).verify(anonymous, issuer="video", kind=VIEW, subject_id=3, viewer_id=0)
    with pytest.raises(InvalidPermit):
        permits("social", clock).verify(anonymous, issuer="video", kind=VIEW, subject_id=3, viewer_id=7)


def test_a_permit_ends() -> None:
    clock = FakeClock()
    signed, reader = issued(clock, ttl_ms=10_000), permits("social", clock)
    clock.advance(9_999)
    assert reader.verify(signed, issuer="video", kind=VIEW, subject_id=3, viewer_id=7)
    clock.advance(1)
    with pytest.raises(InvalidPermit, match="expired"):
        reader.verify(signed, issuer="video", kind=VIEW, subject_id=3, viewer_id=7)


def test_no_permit_lives_longer_than_thirty_seconds() -> None:
    clock = FakeClock()
    for ttl_ms in (0, -1, LONGEST_MS + 1):
        with pytest.raises(ValueError, match="a permit lives"):
            issued(clock, ttl_ms=ttl_ms)
    ahead = FakeClock(clock.now_ms() + SKEW_MS + 1)
    with pytest.raises(InvalidPermit):
        permits("social", clock).verify(issued(ahead), issuer="video", kind=VIEW, subject_id=3, viewer_id=7)
    slightly_ahead = FakeClock(clock.now_ms() + SKEW_MS)
    assert permits("social", clock).verify(issued(slightly_ahead), issuer="video", kind=VIEW, subject_id=3, viewer_id=7)


def test_forged_permits_are_refused() -> None:
    clock = FakeClock()
    signed = issued(clock)
    longer = permit_pb2.Permit.FromString(signed.permit)
    longer.kinds.append(COMMENT)
    theirs = issued(clock, by="feed")
    forged = [
        permit_pb2.SignedPermit(permit=longer.SerializeToString(), key_id=signed.key_id, signature=signed.signature),
        permit_pb2.SignedPermit(permit=signed.permit, key_id=signed.key_id, signature=signed.signature[:-1] + b"\0"),
        permit_pb2.SignedPermit(permit=signed.permit, key_id=signed.key_id),
        permit_pb2.SignedPermit(permit=signed.permit, key_id="", signature=signed.signature),
        permit_pb2.SignedPermit(permit=signed.permit, key_id=signed.key_id, signature=theirs.signature),
        theirs,
        permit_pb2.SignedPermit(),
    ]
    for each in forged:
        with pytest.raises(InvalidPermit):
            permits("social", clock).verify(each, issuer="video", kind=VIEW, subject_id=3, viewer_id=7)


def test_one_service_cannot_issue_in_the_name_of_another() -> None:
    clock = FakeClock()
    claimed = permit_pb2.Permit(issuer="video", subject_id=3, viewer_id=7, kinds=[VIEW], expires_at_ms=clock.now_ms() + 1_000)
    feed = secrets_for("feed")
    data = claimed.SerializeToString()
    signed = permit_pb2.SignedPermit(permit=data, key_id=feed.key_id, signature=feed.sign(data))
    with pytest.raises(InvalidPermit, match="something else"):
        permits("social", clock).verify(signed, issuer="feed", kind=VIEW, subject_id=3, viewer_id=7)


def test_bytes_that_are_no_permit_are_refused_even_when_signed() -> None:
    video = secrets_for("video")
    signed = permit_pb2.SignedPermit(permit=b"\xff", key_id=video.key_id, signature=video.sign(b"\xff"))
    with pytest.raises(InvalidPermit, match="cannot be read"):
        permits("social", FakeClock()).verify(signed, issuer="video", kind=VIEW, subject_id=3, viewer_id=7)
