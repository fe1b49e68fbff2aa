"""The persisted nouns of people: accounts with their names, keys, passwords and consents."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, Scope, table


class AccountState(enum.IntEnum):
    """Whether an account exists."""

    ACTIVE = 1
    VOID = 2
    """The sign-up was given up before it ended; the id can never become an account."""


class Audience(enum.IntEnum):
    """A circle of people around a person: social.v1.Audience."""

    DEFAULT = 0
    """Not chosen yet: what holds is a matter of age."""
    EVERYONE = 1
    FOLLOWERS = 2
    FRIENDS = 3
    NOBODY = 4


class NameKind(enum.StrEnum):
    """What a reserved name is."""

    HANDLE = "handle"
    EMAIL = "email"


@table("accounts", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person: what they show and the private facts, all their words sealed; roles and consents. Its insert is the moment a sign-up succeeds."""

    user_id: Partition[int]
    state: AccountState = AccountState.ACTIVE
    handle_name: str = ""
    """The name under which the handle is reserved, a keyed hash; only this row says which handle the person has now."""
    handle_sealed: bytes = b""
    display_name_sealed: bytes = b""
    bio_sealed: bytes = b""
    avatar_id: int = 0
    """The picture that the person shows, an image of video; 0 for none."""
    region: str = ""
    """ISO 3166-1 alpha-2 of where the person says to live, for data residency alone; empty when not said. Not sealed: where the row goes is
    decided by it before any key can be read."""
    verified: bool = False
    is_private: bool = False
    comments_from: Audience = Audience.DEFAULT
    duets_from: Audience = Audience.DEFAULT
    stitches_from: Audience = Audience.DEFAULT
    messages_from: Audience = Audience.DEFAULT
    """These four as they were chosen; `rules.privacy_of` says what holds."""
    email_sealed: bytes = b""
    email_verified: bool = False
    """The person opened a link that was mailed to the address."""
    birth_date_sealed: bytes = b""
    age_band: int = 0
    """common.v1.AgeBand as of the last sign-in; renewed from the sealed birth date whenever tokens are issued."""
    roles_mask: int = 0
    """Bit n is set when the person has common.v1.Role n."""
    consents_mask: int = 0
    """Bit n is set when the person allows common.v1.ConsentPurpose n."""
    consents_since_ms: int = 0
    """When the consents became what they are."""
    languages: str = ""
    """BCP 47 tags in order of preference, separated by commas."""
    created_at_ms: int = 0
    banned_at_ms: int = 0
    """When the person was shut out; 0 for who is not."""
    applied_edits: str = ""
    """Operation ids of the last changes of the profile, so that the repeat of one is told apart from another change."""
    expires_at_ms: int = 0
    """0, but for VOID rows, which go after a week."""
    version: int = 0


@table("consent_periods", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPeriod:
    """What a person allowed from a moment on, until the next period begins; the present one stands in the account."""

    user_id: Partition[int]
    since_ms: Clustering[int]
    consents_mask: int = 0
    version: int = 0


@table("names", guard=Guard.GUARDED, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A unique name and whose it is: pending while a sign-up runs, confirmed after it."""

    kind: Partition[NameKind]
    name: Partition[str]
    """The keyed hash of the folded handle or e-mail address, in hex."""
    owner_id: int = 0
    confirmed: bool = False
    pending_until_ms: int = 0
    """After this moment an unconfirmed reservation may be settled by anybody."""
    held_until_ms: int = 0
    """Until when a name that its owner gave up is kept for nobody else; 0 for a name in use."""
    request_tag: bytes = b""
    """Keyed hash of the sign-up's request id: tells a repeat from a rival before anything is written."""
    expires_at_ms: int = 0
    """Long past when the name was freed; the row goes on so that its versions never repeat."""
    version: int = 0


@table("sign_ups", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpIntent:
    """A sign-up under way, written before anything else of it and deleted when all of it is done: what a sweeper has to look at."""

    shard: Partition[int]
    user_id: Clustering[int]
    handle_name: str = ""
    email_hash: str = ""
    started_at_ms: int = 0
    version: int = 0


@table("credentials", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The password of an account as argon2id."""

    user_id: Partition[int]
    password_hash: str = ""
    set_at_ms: int = 0
    applied_edits: str = ""
    """Operation ids of the last changes, so that the repeat of one is told apart from another change."""
    version: int = 0


@table("person_keys", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKey:
    """The key that seals a person's words, itself sealed by the service's secret."""

    user_id: Partition[int]
    wrapped: bytes = b""
    """Empty when the key was destroyed: no other one takes its place."""
    created_at_ms: int = 0
    version: int = 0
