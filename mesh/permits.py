"""Permits: facts that their owner signs for one viewer and a short time, verified locally by whoever is shown them."""

from __future__ import annotations

from collections.abc import Iterable

from clipmesh.common.v1 import permit_pb2
from google.protobuf.message import DecodeError

from mesh.clock import Clock
from mesh.errors import InvalidPermit
from mesh.secrets import Secrets

LONGEST_MS = 30_000
"""How long a permit may live; a revoked right is gone after that."""

SKEW_MS = 5_000
"""How far the clock of the issuer may be ahead of ours."""


class Permits:
    """Issues the permits of this service and verifies those of others."""

    def __init__(self, *, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    def issue(
        self,
        *,
        subject_id: int,
        viewer_id: int,
        kinds: Iterable[permit_pb2.PermitKind.ValueType],
        epoch: int,
        owner_id: int,
        ttl_ms: int = LONGEST_MS,
    ) -> permit_pb2.SignedPermit:
        """A permit of this service; `viewer_id` 0 speaks for anyone anonymous. ValueError when `ttl_ms` is not 1 to LONGEST_MS."""
        if not 0 < ttl_ms <= LONGEST_MS:
            raise ValueError(f"a permit lives 1 to {LONGEST_MS} ms, not {ttl_ms}")
        permit = permit_pb2.Permit(
            issuer=self._secrets.service,
            subject_id=subject_id,
            viewer_id=viewer_id,
            kinds=kinds,
            epoch=epoch,
            owner_id=owner_id,
            expires_at_ms=self._clock.now_ms() + ttl_ms,
        ).SerializeToString(deterministic=True)
        return permit_pb2.SignedPermit(permit=permit, key_id=self._secrets.key_id, signature=self._secrets.sign(permit))

    def verify(
        self, signed: permit_pb2.SignedPermit, *, issuer: str, kind: permit_pb2.PermitKind.ValueType, subject_id: int, viewer_id: int
    ) -> permit_pb2.Permit:
        """The permit inside `signed`; InvalidPermit unless `issuer` signed it, it has not expired, and it allows `kind` on the subject to the viewer."""
        if signed.key_id != self._secrets.key_id_of(issuer) or not self._secrets.verify(issuer, signed.permit, signed.signature):
            raise InvalidPermit(f"the permit is not signed by {issuer}")
        try:
            permit = permit_pb2.Permit.FromString(signed.permit)
        except DecodeError:
            raise InvalidPermit("the permit cannot be read") from None
        now_ms = self._clock.now_ms()
        if not now_ms < permit.expires_at_ms <= now_ms + LONGEST_MS + SKEW_MS:
            raise InvalidPermit("the permit has expired")
        if permit.issuer != issuer or permit.subject_id != subject_id or permit.viewer_id != viewer_id:
            raise InvalidPermit("the permit speaks of something else")
        if kind == permit_pb2.PERMIT_KIND_UNSPECIFIED or kind not in permit.kinds:
            raise InvalidPermit("the permit does not allow this")
        return permit
