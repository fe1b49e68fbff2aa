"""Accounts and keys between rows and protos."""

from __future__ import annotations

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2, identity_service_pb2, profile_service_pb2

from svc_social.identity.masks import purposes_of, roles_of
from svc_social.identity.people import Person
from svc_social.identity.rules import NEW_ACCOUNT_MS, privacy_of
from svc_social.identity.session_tables import Session, SigningKey
from svc_social.identity.tables import Account


def profile_to_proto(person: Person) -> profile_service_pb2.Profile:
    """What everybody may see of a person."""
    account = person.account
    return profile_service_pb2.Profile(
        user_id=account.user_id,
        handle=person.handle,
        display_name=person.display_name,
        bio=person.bio,
        verified=account.verified,
        is_private=account.is_private,
        created_at_ms=account.created_at_ms,
        version=account.version,
        avatar_id=account.avatar_id,
    )


def facts_to_proto(account: Account, *, version: int) -> events_pb2.ProfileFacts:
    """What events say of a profile as of a version of its account: no words, which are read from here while the person wants them read."""
    return events_pb2.ProfileFacts(
        user_id=account.user_id,
        verified=account.verified,
        is_private=account.is_private,
        created_at_ms=account.created_at_ms,
        version=version,
        avatar_id=account.avatar_id,
    )


def age_band_of(account: Account) -> viewer_pb2.AgeBand.ValueType:
    """The band that is stored with the account."""
    return viewer_pb2.AgeBand.ValueType(account.age_band)


def languages_of(account: Account) -> tuple[str, ...]:
    """BCP 47 tags in order of preference."""
    return tuple(tag for tag in account.languages.split(",") if tag)


def account_to_proto(person: Person, *, email: str) -> profile_service_pb2.Account:
    """What only its owner sees."""
    account = person.account
    return profile_service_pb2.Account(
        profile=profile_to_proto(person),
        email=email,
        age_band=age_band_of(account),
        roles=roles_of(account.roles_mask),
        consents=purposes_of(account.consents_mask),
        languages=languages_of(account),
        privacy=privacy_to_proto(account),
        email_verified=account.email_verified,
        region=account.region,
    )


def privacy_to_proto(account: Account) -> profile_service_pb2.Privacy:
    """Who may see and answer a person, as it holds now."""
    privacy = privacy_of(account)
    return profile_service_pb2.Privacy(
        is_private=privacy.is_private,
        comments=profile_service_pb2.Audience.ValueType(privacy.comments),
        duets=profile_service_pb2.Audience.ValueType(privacy.duets),
        stitches=profile_service_pb2.Audience.ValueType(privacy.stitches),
        messages=profile_service_pb2.Audience.ValueType(privacy.messages),
    )


def session_to_proto(session: Session, *, device: str, current_id: int) -> identity_service_pb2.LoginSession:
    """A session as its person sees it."""
    return identity_service_pb2.LoginSession(
        session_id=session.session_id,
        client_id=session.client_id,
        device=device,
        created_at_ms=session.created_at_ms,
        last_used_at_ms=session.rotated_at_ms,
        current=session.session_id == current_id,
    )


def standing_to_proto(account: Account, *, now_ms: int) -> profile_service_pb2.Standing:
    """How far the account is trusted. Whether it has public clips is video's fact, so new means young here."""
    age_ms = max(0, now_ms - account.created_at_ms)
    level = profile_service_pb2.STANDING_LEVEL_NEW if age_ms < NEW_ACCOUNT_MS else profile_service_pb2.STANDING_LEVEL_GOOD
    if account.banned_at_ms:
        level = profile_service_pb2.STANDING_LEVEL_SUSPENDED
    return profile_service_pb2.Standing(
        user_id=account.user_id, level=level, account_age_ms=age_ms, verified=account.verified, age_band=age_band_of(account)
    )


def signing_key_to_proto(key: SigningKey) -> identity_service_pb2.SigningKey:
    """The public part of a key."""
    return identity_service_pb2.SigningKey(
        key_id=key.key_id, public_key=key.public_key, not_before_ms=key.not_before_ms, expires_at_ms=key.expires_at_ms
    )
