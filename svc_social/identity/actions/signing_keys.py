"""The ring of signing keys: the next key is published long before it signs, the old one until its last token is over."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from clipmesh.social.v1 import events_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.events.stream.port import Record, Stream
from mesh.tokens import ACCESS_TOKEN_MS, KEYS_TOPIC, SKEW_MS
from svc_social.identity.convert import signing_key_to_proto
from svc_social.identity.session_tables import SigningKey
from svc_social.identity.store.keys import RING, SigningKeyStore

SIGN_MS = 30 * 24 * 3_600_000
"""How long one key signs."""
LEAD_MS = 24 * 3_600_000
"""How long before its first use a key is published."""


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """The key that signs now."""

    key_id: str
    private_key: Ed25519PrivateKey


@dataclass(slots=True, kw_only=True)
class SigningKeys:
    """Keeps the ring filled; several processes agree because each number is written once."""

    store: SigningKeyStore
    clock: Clock
    events: EventMaker
    _known: tuple[SigningKey, ...] = ()
    _opened: dict[int, CurrentKey] = field(default_factory=dict)

    async def rotate(self) -> tuple[SigningKey, ...]:
        """Read the ring, and add the first or the next key when it is time."""
        while True:
            self._known = await self.store.all()
            newest = self._known[-1] if self._known else None
            now_ms = self.clock.now_ms()
            if newest is not None and newest.sign_until_ms - LEAD_MS > now_ms:
                return self._known
            await self.store.add(self._next(newest, now_ms))

    async def current(self) -> CurrentKey:
        """The key that signs now."""
        key = self._signer()
        if key is None:
            await self.rotate()
            key = self._signer()
        assert key is not None
        opened = self._opened.get(key.number)
        if opened is None or opened.key_id != key.key_id:
            opened = CurrentKey(key.key_id, self.store.private_key(key))
            self._opened = {key.number: opened}
        return opened

    async def published(self) -> tuple[SigningKey, ...]:
        """The keys that verify: the current one, the next one, and the older ones whose tokens still live."""
        return self._known or await self.rotate()

    async def publish(self, stream: Stream) -> None:
        """Rotate if it is time, then say all keys on the topic `keys`.

        This goes to the stream directly and not by the outbox: it repeats what the rows say, every minute, so that a verifier knows that it
        hears; a lost one is made good by the next, and a late one would only be wrong.
        """
        keys = await self.rotate()
        message = events_pb2.SigningKeysPublished(keys=[signing_key_to_proto(key) for key in keys])
        event = self.events.make(message, key="signing-keys", topic=KEYS_TOPIC, key_version=self.clock.now_ms())
        envelope = event.envelope(row_version=event.key_version)
        await stream.publish([Record(KEYS_TOPIC, event.key, envelope.SerializeToString(deterministic=True), event.event_id)])

    def _signer(self) -> SigningKey | None:
        now_ms = self.clock.now_ms()
        living = [key for key in self._known if now_ms < key.sign_until_ms]
        # The first key of all may come from a process whose clock runs ahead; verifiers allow for that much.
        for ahead_ms in (0, SKEW_MS):
            fitting = [key for key in living if key.not_before_ms <= now_ms + ahead_ms]
            if fitting:
                return fitting[-1]
        return None

    def _next(self, newest: SigningKey | None, now_ms: int) -> SigningKey:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        number = newest.number + 1 if newest is not None else 1
        not_before_ms = max(now_ms, newest.sign_until_ms) if newest is not None else now_ms
        sign_until_ms = not_before_ms + SIGN_MS
        return SigningKey(
            ring=RING,
            number=number,
            key_id=f"{number}-{hashlib.sha256(public).hexdigest()[:16]}",
            public_key=public,
            private_key_sealed=self.store.sealed(number, private),
            not_before_ms=not_before_ms,
            sign_until_ms=sign_until_ms,
            expires_at_ms=sign_until_ms + ACCESS_TOKEN_MS + 2 * SKEW_MS,
        )
