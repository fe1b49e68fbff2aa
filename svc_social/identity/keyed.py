"""Keyed hashes of identity: what must be found again without standing anywhere in clear."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from mesh.addresses import network_of
from mesh.sealing import derive


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IdentityKeys:
    """All secrets of identity, each for one purpose; derived from the two named secrets of the process."""

    email: bytes
    handle: bytes
    requests: bytes
    attempts: bytes
    refresh: bytes
    people: bytes
    """Seals the keys of people."""
    signing: bytes
    """Seals the private parts of signing keys."""

    @classmethod
    def from_secrets(cls, *, email_hash_key: bytes, sealing_key: bytes) -> IdentityKeys:
        """Changing `email_hash_key` loses every look-up by e-mail and handle, changing `sealing_key` loses every sealed value and session."""
        return cls(
            email=derive(email_hash_key, "email"),
            handle=derive(email_hash_key, "handle"),
            requests=derive(email_hash_key, "sign-up requests"),
            attempts=derive(email_hash_key, "sign-in attempts"),
            refresh=derive(sealing_key, "refresh tokens"),
            people=derive(sealing_key, "person keys"),
            signing=derive(sealing_key, "signing keys"),
        )

    def email_hash(self, email: str) -> str:
        """The name under which a folded address is reserved."""
        return hmac.digest(self.email, email.encode(), hashlib.sha256).hex()

    def handle_name(self, handle: str) -> str:
        """The name under which a folded handle is reserved: who reads the rows of an erased person does not find the handle in them."""
        return hmac.digest(self.handle, handle.encode(), hashlib.sha256).hex()

    def request_tag(self, email_hash: str, request_id: str) -> bytes:
        """Marks the reservations of one sign-up; request ids are the client's choice, so that of two people may be the same."""
        return hmac.digest(self.requests, f"id:{email_hash}:{request_id}".encode(), hashlib.sha256)

    def request_body(self, body: bytes) -> bytes:
        """The body of a sign-up as the request log may keep it: nothing of it can be guessed back without the key."""
        return hmac.digest(self.requests, b"body:" + body, hashlib.sha256)

    def attempt_subject(self, kind: str, value: str) -> str:
        """The row that counts failed sign-ins of an account or an address."""
        return f"{kind}:{hmac.digest(self.attempts, f'{kind}:{value}'.encode(), hashlib.sha256).hex()}"

    def network_subject(self, kind: str, client_address: str) -> str:
        """The row that counts what comes from one network, however many addresses it has; empty when the address is not known."""
        return self.attempt_subject(kind, network_of(client_address)) if client_address else ""

    def refresh_proof(self, session_id: int, generation: int) -> bytes:
        """The secret part of a refresh token."""
        return hmac.digest(self.refresh, f"{session_id}:{generation}".encode(), hashlib.sha256)
