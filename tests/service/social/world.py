"""The social service on real tables behind real gRPC, with a clock that stands still."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipmesh.common.v1 import viewer_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import identity_service_pb2 as identity_pb
from clipmesh.social.v1 import profile_service_pb2 as profile_pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.events.stream.port import Delivery, Record
from mesh.ids import NodeLease, open_ids
from mesh.permits import Permits
from mesh.session_checks import SessionNow
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from mesh.tokens import AccessTokenVerifier
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.graph.wiring import Graph
from svc_social.identity.clients import Client, Clients
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.mail import Mail
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.store import ROW_TYPES
from svc_social.identity.wiring import Identity, wire

R = TypeVar("R")

REDIRECT = "https://clipmesh.example/callback"
CLIENT = "clipmesh-web"
ORIGIN = "https://clipmesh.example"
OTHER_CLIENT, OTHER_REDIRECT = "clipmesh-tv", "https://tv.clipmesh.example/callback"
OTHER = Client(client_id=OTHER_CLIENT, redirect_uris=frozenset({OTHER_REDIRECT}))
PASSWORD = "correct horse battery"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
BOOTSTRAP = {"boss": (viewer_pb2.ROLE_OPERATOR,), "chief": (viewer_pb2.ROLE_ADMIN,)}
KEYS = IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32)


def challenge_of(verifier: str) -> str:
    """S256, written again so that the service's own is checked against it."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


class Said:
    """A stream that keeps what was published."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> None:
        """Keep the records."""
        self.records.extend(records)


class Mailbox:
    """A mailer that keeps what it was given."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        """Keep the mail."""
        self.mails.append(mail)


def delivered(topic: str, key: str, value: bytes) -> Delivery:
    """A record as a tailing reader gets it."""
    return Delivery(topic, 0, "0-0", key, value, 0)


@dataclass(slots=True, kw_only=True)
class World:
    """What a test holds."""

    clock: FakeClock
    tables: Tables
    served: Served
    app: Identity
    graph: Graph
    mailbox: Mailbox

    @property
    def identity(self) -> IdentityServiceStub:
        """IdentityService as the gateway calls it for nobody."""
        return self.served.stub(IdentityServiceStub)

    def identity_as(self, user_id: int, *roles: viewer_pb2.Role.ValueType) -> IdentityServiceStub:
        """IdentityService as the gateway calls it for a person."""
        return self.served.stub(IdentityServiceStub, viewer=viewer(user_id=user_id, roles=roles))

    def identity_in(self, pair: identity_pb.TokenPair, *, unconfirmed: bool = False) -> IdentityServiceStub:
        """IdentityService as the gateway calls it for whoever holds these tokens."""
        who = viewer(user_id=pair.user_id, login_session_id=session_of(pair), login_unconfirmed=unconfirmed)
        return self.served.stub(IdentityServiceStub, viewer=who)

    def profiles(self, user_id: int = 0) -> ProfileServiceStub:
        """ProfileService as the gateway calls it for a person, 0 for nobody."""
        return self.served.stub(ProfileServiceStub, viewer=viewer(user_id=user_id) if user_id else None)

    async def sign_up(self, handle: str = "alice", **fields: object) -> int:
        """The id of a new person."""
        return (await self.identity.SignUp(sign_up_request(handle, **fields))).user_id

    async def authorize(self, login: str = "alice", **fields: object) -> str:
        """A code for a person."""
        return (await self.identity.Authorize(authorize_request(login, **fields))).code

    async def exchange(self, code: str, **fields: str) -> identity_pb.TokenPair:
        """Tokens for a code."""
        values = {"code": code, "code_verifier": VERIFIER, "client_id": CLIENT, "redirect_uri": REDIRECT, **fields}
        return (await self.identity.ExchangeCode(identity_pb.ExchangeCodeRequest(**values))).tokens

    async def sign_in(self, login: str = "alice") -> identity_pb.TokenPair:
        """Tokens for a person."""
        return await self.exchange(await self.authorize(login))

    async def refresh(self, token: str, *, client_id: str = CLIENT) -> identity_pb.TokenPair:
        """The next tokens."""
        request = identity_pb.RefreshTokensRequest(refresh_token=token, client_id=client_id)
        return (await self.identity.RefreshTokens(request)).tokens

    async def rows(self, row_type: type[R]) -> list[R]:
        """All rows of a table."""
        return list((await self.tables.walk(row_type)).rows)

    async def events(self) -> list[EventEnvelope]:
        """Every event in the outbox, in the order of ids."""
        found = []
        for shard in range(self.tables.outbox_shards):
            page = await self.tables.read_outbox(shard)
            found += [EventEnvelope.FromString(entry.envelope) for entry in page.entries]
        return sorted(found, key=lambda envelope: envelope.event_id)

    def verifier(self, *, asking: bool = True) -> AccessTokenVerifier:
        """A verifier as the gateway has it: asks the service for the first keys, hears the rest, and asks for sessions when it hears nothing."""

        async def keys() -> Sequence[identity_pb.SigningKey]:
            return (await self.identity.ListSigningKeys(identity_pb.ListSigningKeysRequest())).keys

        async def session(session_id: int) -> SessionNow:
            answer = await self.identity.GetSession(identity_pb.GetSessionRequest(session_id=session_id))
            return SessionNow(active=answer.active, consents=tuple(answer.consents))

        return AccessTokenVerifier(clock=self.clock, source=keys, sessions=session if asking else None)

    async def tell(self, verifier: AccessTokenVerifier) -> None:
        """Deliver everything on the topic `keys`: what the outbox holds, and the keys said anew."""
        for envelope in await self.events():
            if envelope.topic == "keys":
                await verifier.deliver(delivered("keys", envelope.key, envelope.SerializeToString()))
        said = Said()
        await self.app.signing.publish(said)  # type: ignore[arg-type]
        for record in said.records:
            await verifier.deliver(delivered(record.topic, record.key, record.value))


def session_of(pair: identity_pb.TokenPair) -> int:
    """The session of some tokens."""
    payload = pair.access_token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=="))["sid"])


def sign_up_request(handle: str = "alice", **fields: object) -> identity_pb.SignUpRequest:
    """A good sign-up."""
    values: dict[str, object] = {
        "request_id": f"sign-up-{handle}",
        "handle": handle,
        "email": f"{handle}@example.org",
        "password": PASSWORD,
        "birth_date": "1990-05-17",
        **fields,
    }
    return identity_pb.SignUpRequest(**values)  # type: ignore[arg-type]


def authorize_request(login: str = "alice", **fields: object) -> identity_pb.AuthorizeRequest:
    """A good sign-in."""
    values: dict[str, object] = {
        "login": login,
        "password": PASSWORD,
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "client_address": "203.0.113.7",
        **fields,
    }
    return identity_pb.AuthorizeRequest(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def open_world(folder: Path, *, url: str = "", over: Callable[[Tables], Tables] = lambda tables: tables) -> AsyncIterator[World]:
    """The service with quick passwords, on SQLite in a folder unless a URL names other tables; `over` puts faults around them."""
    clock, mailbox = FakeClock(), Mailbox()
    row_types = (*ROW_TYPES, *graph_store.ROW_TYPES, NodeLease, RequestRecord, *EVENT_TABLES)
    tables = over(await open_tables(url or f"sqlite:///{folder}", service="social", row_types=row_types, clock=clock))
    ids = await open_ids(tables, service="social", clock=clock, lease_ms=10**12)
    hasher = PasswordHasher(memory_kib=1024, passes=1)
    events, relations = EventMaker(producer="social", next_id=ids.next, clock=clock), graph_wiring.relations_on(tables)
    app = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        keys=KEYS,
        hasher=hasher,
        clients=Clients({**Clients.web([REDIRECT]).by_id, OTHER_CLIENT: OTHER}),
        relations=relations,
        page_token_key=b"p" * 32,
        mailer=mailbox,
        mail_origin=ORIGIN,
        permits=Permits(secrets=secrets_for("social"), clock=clock),
        bootstrap_roles=BOOTSTRAP,
    )
    graph = graph_wiring.wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        page_token_key=b"p" * 32,
        profiles=app.profiles,
        relations=relations,
    )
    try:
        async with serve(*app.services, *graph.services, service="social", clock=clock) as served:
            yield World(clock=clock, tables=tables, served=served, app=app, graph=graph, mailbox=mailbox)
    finally:
        hasher.close()
        await ids.close()
        await tables.close()


__all__ = ["CLIENT", "KEYS", "PASSWORD", "REDIRECT", "VERIFIER", "World", "open_world", "profile_pb", "sign_up_request"]
