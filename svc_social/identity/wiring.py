"""Identity put together: its stores, its actions and its two gRPC services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clipmesh.common.v1 import viewer_pb2

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.pages import PageTokens
from mesh.permits import Permits
from mesh.sealing import KeptKeys, PersonSealer
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from svc_social.graph.actions import Relations
from svc_social.identity.actions import (
    Avatars,
    Bans,
    Guesses,
    Handles,
    MailedLinks,
    Naming,
    NewPassword,
    Notices,
    OwnSessions,
    PrivacySettings,
    Profiles,
    Roles,
    Sessions,
    SignIn,
    SigningKeys,
    SignUp,
    SignUpSettler,
)
from svc_social.identity.clients import Clients
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.mail import Mailer
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.people import People
from svc_social.identity.posting import Posting
from svc_social.identity.profile_service import ProfileServicer, profile_service
from svc_social.identity.service import IdentityServicer, identity_service
from svc_social.identity.store import (
    AccountStore,
    AttemptStore,
    MailTokenStore,
    NameStore,
    PersonKeyStore,
    SessionStore,
    SigningKeyStore,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the app serves and what it runs beside."""

    services: tuple[ServedService, ...]
    profiles: Profiles
    signing: SigningKeys
    settler: SignUpSettler
    posting: Posting
    sealer: PersonSealer
    """Seals what other areas keep of people's words."""
    requests: RequestLog
    """Remembers requests whose bodies may have such words."""
    notices: Notices


def wire(
    *,
    tables: Tables,
    clock: Clock,
    next_id: Callable[[], int],
    events: EventMaker,
    keys: IdentityKeys,
    hasher: PasswordHasher,
    clients: Clients,
    relations: Relations,
    page_token_key: bytes,
    mailer: Mailer,
    mail_origin: str,
    permits: Permits,
    bootstrap_roles: Mapping[str, tuple[viewer_pb2.Role.ValueType, ...]],
) -> Identity:
    """Identity on one set of tables."""
    accounts, names, session_rows = AccountStore(tables=tables), NameStore(tables=tables), SessionStore(tables=tables)
    person_keys = PersonKeyStore(tables=tables, clock=clock, wrapping_key=keys.people)
    words = People(sealer=PersonSealer(keys=KeptKeys(person_keys, clock=clock)))
    requests = RequestLog(tables, clock, body_key=keys.requests)
    settler = SignUpSettler(accounts=accounts, names=names, person_keys=person_keys, clock=clock)
    naming = Naming(names=names, settler=settler, clock=clock)
    signing = SigningKeys(store=SigningKeyStore(tables=tables, wrapping_key=keys.signing), clock=clock, events=events)
    sessions = Sessions(
        accounts=accounts,
        sessions=session_rows,
        words=words,
        clients=clients,
        signing=signing,
        keys=keys,
        next_id=next_id,
        clock=clock,
        events=events,
    )
    attempts, mail_tokens, posting = AttemptStore(tables=tables, clock=clock), MailTokenStore(tables=tables), Posting()
    guesses = Guesses(accounts=accounts, attempts=attempts, hasher=hasher, keys=keys)
    servicer = IdentityServicer(
        sign_up=SignUp(
            accounts=accounts,
            naming=naming,
            person_keys=person_keys,
            sealer=words.sealer,
            settler=settler,
            requests=requests,
            hasher=hasher,
            keys=keys,
            next_id=next_id,
            clock=clock,
            events=events,
            bootstrap_roles=bootstrap_roles,
        ),
        sign_in=SignIn(
            accounts=accounts,
            names=names,
            guesses=guesses,
            sessions=session_rows,
            clients=clients,
            keys=keys,
            clock=clock,
        ),
        sessions=sessions,
        signing=signing,
        roles=Roles(accounts=accounts, sessions=sessions),
        bans=Bans(accounts=accounts, sessions=sessions, clock=clock, events=events),
        own_sessions=OwnSessions(sessions=session_rows, sealer=words.sealer, page_tokens=PageTokens(page_token_key)),
        new_password=NewPassword(
            accounts=accounts,
            attempts=attempts,
            mail_tokens=mail_tokens,
            guesses=guesses,
            sessions=sessions,
            words=words,
            requests=requests,
            hasher=hasher,
            keys=keys,
            next_id=next_id,
            clock=clock,
        ),
        mailed_links=MailedLinks(
            accounts=accounts,
            names=names,
            attempts=attempts,
            mail_tokens=mail_tokens,
            words=words,
            keys=keys,
            mailer=mailer,
            posting=posting,
            origin=mail_origin,
            requests=requests,
            next_id=next_id,
            clock=clock,
        ),
    )
    profiles = Profiles(
        accounts=accounts, names=names, words=words, keys=keys, requests=requests, next_id=next_id, clock=clock, events=events
    )
    handles = Handles(
        accounts=accounts,
        names=names,
        naming=naming,
        attempts=attempts,
        words=words,
        keys=keys,
        requests=requests,
        next_id=next_id,
        events=events,
    )
    avatars = Avatars(accounts=accounts, words=words, requests=requests, permits=permits, next_id=next_id, events=events)
    privacy = PrivacySettings(accounts=accounts, requests=requests, next_id=next_id, events=events)
    profile_servicer = ProfileServicer(
        profiles=profiles, handles=handles, avatars=avatars, privacy=privacy, relations=relations, clock=clock
    )
    return Identity(
        services=(identity_service(servicer), profile_service(profile_servicer)),
        profiles=profiles,
        signing=signing,
        settler=settler,
        posting=posting,
        sealer=words.sealer,
        requests=requests,
        notices=Notices(accounts=accounts, words=words, mailer=mailer, origin=mail_origin),
    )
