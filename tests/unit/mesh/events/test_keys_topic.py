"""What is broken on the topic `keys` does not keep a verifier from hearing the rest."""

from __future__ import annotations

import pytest
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1.identity_service_pb2 import SigningKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.errors import Unauthenticated
from mesh.events.stream.port import Record
from mesh.testing.clock import FakeClock
from mesh.tokens import ACCESS_TOKEN_MS, AccessClaims, AccessTokenVerifier, encode
from tests.unit.mesh.events.world import World, running, until

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)


async def test_keys_and_revocations_after_broken_records_are_heard(
    world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    now_ms = clock.now_ms()

    def record(message: events_pb2.SigningKeysPublished | events_pb2.SessionRevoked) -> Record:
        envelope = world.maker.make(message, key="k", topic="keys").envelope(row_version=1)
        return Record(topic="keys", key="k", value=envelope.SerializeToString(), event_id=envelope.event_id)

    def keys(public_key: bytes) -> Record:
        key = SigningKey(key_id="k1", public_key=public_key, not_before_ms=now_ms - 1, expires_at_ms=now_ms + 3_600_000)
        return record(events_pb2.SigningKeysPublished(keys=[key]))

    claims = AccessClaims(
        user_id=7,
        session_id=70,
        client_id="clipmesh-web",
        handle="alice",
        roles=(),
        age_band=0,
        consents=(),
        issued_at_ms=now_ms // 1000 * 1000,
        expires_at_ms=now_ms // 1000 * 1000 + ACCESS_TOKEN_MS,
        token_id="1",
    )
    token = encode(claims, key_id="k1", private_key=PRIVATE)
    verifier = AccessTokenVerifier(clock=clock)

    async def refused() -> bool:
        try:
            await verifier.verify(token)
        except Unauthenticated:
            return True
        return False

    async with running(verifier.run(world.stream)):
        broken = Record(topic="keys", key="k", value=b"\xff\xff")
        await world.stream.publish([broken, keys(b"too short"), keys(PRIVATE.public_key().public_bytes_raw())])
        await until(lambda: bool(verifier._keys))
        assert (await verifier.verify(token)).session_id == 70
        await world.stream.publish([broken, record(events_pb2.SessionRevoked(session_id=70, expires_at_ms=now_ms + 600_000))])
        await until(refused)
    assert [entry.getMessage() for entry in caplog.records] == ["a tail left out a record"] * 3
