"""Settings of the social service."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from clipmesh.common.v1 import viewer_pb2

from mesh.store_settings import StoreSettings
from svc_social.identity.clients import check_redirect_setting
from svc_social.identity.mail import open_mailer
from svc_social.notifications.couriers import open_pushes

_ROLES = {name.removeprefix("ROLE_").lower(): role for name, role in viewer_pb2.Role.items() if role}


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialSettings(StoreSettings):
    """What the social service reads from its environment."""

    oauth_redirects: tuple[str, ...] = ("http://127.0.0.1:8080/callback", "http://localhost:8080/callback")
    """Redirect URIs of the application `clipmesh-web`, compared to the letter; https, or http on loopback."""
    bootstrap_roles: tuple[str, ...] = ()
    """`handle:role` entries: whoever signs up with the handle gets the role. How a new installation gets its first operator; sign these
    handles up before strangers can reach the installation."""
    password_memory_kib: int = 19_456
    """Memory of one argon2id hash in KiB (spec: argon2id); raising it makes guessing and signing in dearer."""
    password_workers: int = 2
    """Passwords that are hashed at once."""
    keys_interval_ms: int = 60_000
    """How often the signing keys are said on the topic `keys`, in milliseconds (spec/platform.md: every minute)."""
    viral_acts_per_s: float = 20.0
    """From how many acts a second of one video, as one process hears of them, its counts are written in windows and marked as approximate
    (spec/social.md)."""
    viral_flush_ms: int = 10_000
    """Length of such a window, in milliseconds (spec/social.md: 10 s)."""

    mail: str = "log:"
    """Adapter that sends mails: `log:` writes their links into the log of this process."""
    push: str = "log:"
    """Adapter that pushes notifications: `log:` writes one line without words into the log of this process."""
    origin: str = "http://127.0.0.1:8080"
    """Scheme, host and port of the installation as people reach it, as the gateway has it: what links in mails begin with."""

    def check(self) -> None:
        """ValueError for a value that cannot be."""
        StoreSettings.check(self)
        for uri in self.oauth_redirects:
            check_redirect_setting(uri)
        open_mailer(self.mail)
        open_pushes(self.push)
        origin = urlsplit(self.origin)
        if origin.scheme not in {"http", "https"} or not origin.netloc or origin.path or origin.query or origin.fragment:
            raise ValueError("CLIPMESH_ORIGIN is a scheme, a host and a port, nothing after")
        roles_by_handle(self.bootstrap_roles)
        if self.password_memory_kib < 1024 or self.password_workers < 1 or self.keys_interval_ms < 1:
            raise ValueError("CLIPMESH_PASSWORD_MEMORY_KIB is at least 1024, PASSWORD_WORKERS and KEYS_INTERVAL_MS at least 1")
        if not self.viral_acts_per_s > 0 or not 100 <= self.viral_flush_ms <= 50_000:
            raise ValueError(
                "CLIPMESH_VIRAL_ACTS_PER_S is above 0, VIRAL_FLUSH_MS lies between 100 and 50000: counts settle within a minute"
            )


def roles_by_handle(entries: tuple[str, ...]) -> dict[str, tuple[viewer_pb2.Role.ValueType, ...]]:
    """`("alice:moderator", "alice:operator")` as roles by handle. Raises ValueError."""
    found: dict[str, tuple[viewer_pb2.Role.ValueType, ...]] = {}
    for entry in entries:
        handle, _, word = entry.partition(":")
        role = _ROLES.get(word.strip().lower())
        if not handle.strip() or role is None:
            raise ValueError(f"CLIPMESH_BOOTSTRAP_ROLES entry {entry!r} is no handle:role")
        key = handle.strip().lower()
        found[key] = (*found.get(key, ()), role)
    return found
