"""A system with people of every kind, and things of one of them to ask for."""

from __future__ import annotations

import base64
import functools
import importlib
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipmesh.common.v1 import viewer_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from devstack.client import Api, new_request_id
from devstack.doors import Doors
from mesh import deadline
from mesh.auth import ViewerSigner, viewer_scope
from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.secrets import Secrets
from mesh.telemetry import Telemetry
from tests.e2e.stage import Stage

ROLES = {
    "rights_holder": viewer_pb2.ROLE_RIGHTS_HOLDER,
    "moderator": viewer_pb2.ROLE_MODERATOR,
    "analyst": viewer_pb2.ROLE_ANALYST,
    "operator": viewer_pb2.ROLE_OPERATOR,
    "admin": viewer_pb2.ROLE_ADMIN,
}
PEOPLE = ("owner", "follower", "other", "blocked", *ROLES)
KINDS = ("anonymous", *(one for one in PEOPLE if one != "owner"), "owner")
"""Everybody who asks, in this order: whoever may change most comes last."""
CALLERS = ("gateway", "feed", "video", "sound", "social", "rights", "operator")
BOOTSTRAP_ROLES = ",".join(f"{name}1:{name}" for name in ROLES)
_EVERYBODYS = (viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR)
_CALL_S = 10.0
_PERMIT_S = 15.0
"""How long a permit is used again; it lives for twice as long."""


@functools.cache
def all_services() -> tuple[ServiceDescriptor, ...]:
    """Every gRPC service of ours, by the generated code."""
    root = Path(__file__).resolve().parents[3] / "codegen" / "python"
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in sorted((root / "clipmesh").rglob("*_service_pb2.py"))]
    return tuple(one for name in names for one in importlib.import_module(name).DESCRIPTOR.services_by_name.values())


def name_of(method: MethodDescriptor) -> str:
    """`social.GraphService.Follow`."""
    return method.full_name.removeprefix("clipmesh.").replace(".v1.", ".")


def message_of(method: MethodDescriptor) -> type[Message]:
    """The class of a method's request."""
    module = importlib.import_module(method.input_type.file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    found: type[Message] = getattr(module, method.input_type.name)
    return found


def outcome(answer: Message) -> str:
    """`in`, or `nothing` for an answer that could say something and does not."""
    return "nothing" if answer.DESCRIPTOR.fields and not answer.ByteSize() else "in"


@dataclass(slots=True, kw_only=True)
class Town:
    """What a test asks with."""

    stage: Stage
    stack: AsyncExitStack
    apis: dict[str, Api] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    """People by kind, and the owner's things by what they are called in requests."""
    _channels: dict[str, Channels] = field(default_factory=dict)
    _stubs: dict[tuple[str, str], Any] = field(default_factory=dict)
    _permits: dict[str, tuple[Message, float]] = field(default_factory=dict)
    """Permits by whom they are for, and until when they are taken again."""
    _signers: list[ViewerSigner] = field(default_factory=list)

    @classmethod
    async def build(cls, stage: Stage, stack: AsyncExitStack, clip: Path) -> Town:
        """Everybody signed up, the owner private and with a clip for followers, one of whom there is and one who is blocked."""
        town = cls(stage=stage, stack=stack)
        for name in (*PEOPLE, "victim"):
            api = await stage.person(f"{name}1")
            town.apis[name] = api
            town.ids[name] = int((await api.query("{ me { user { id } } }"))["me"]["user"]["id"])
        town.apis["anonymous"] = stage.people["anonymous"] = Api(stage.system.layout.origin)
        owner = town.apis["owner"]
        await owner.mutate("updatePrivacy", "UpdatePrivacyInput", "account { region }", isPrivate=True, requestId=new_request_id())
        town.ids["video_id"] = int(await stage.publish(owner, clip, "for followers", visibility="FOLLOWERS"))
        await stage.state(owner, str(town.ids["video_id"]), "READY")
        await town.stand()
        await town.renew(*ENDING, "StartImage")
        return town

    async def call(self, service: ServiceDescriptor, method: str, request: Message, *, kind: str, caller: str = "gateway") -> Message:
        """Call a method as a service does for somebody. Raises RpcFailed."""
        stub = self._stubs.get((caller, service.name))
        if stub is None:
            module = importlib.import_module(service.file.name.removesuffix(".proto").replace("/", ".") + "_pb2_grpc")
            where = "social" if service.name == "OperatorService" else service.full_name.split(".")[1]
            stub = self._stubs[caller, service.name] = self._of(caller).stub(getattr(module, f"{service.name}Stub"), where)
        with viewer_scope(self._signer().sign(self.viewer(kind))), deadline.scope(_CALL_S):
            answer: Message = await getattr(stub, method)(request)
            return answer

    def viewer(self, kind: str) -> viewer_pb2.ViewerContext:
        """Somebody as the gateway would describe them."""
        if kind == "anonymous":
            return viewer_pb2.ViewerContext(region="DE")
        return viewer_pb2.ViewerContext(
            user_id=self.ids[kind],
            roles=[*_EVERYBODYS, *([ROLES[kind]] if kind in ROLES else [])],
            age_band=viewer_pb2.AGE_BAND_ADULT,
            region="DE",
            login_session_id=session_of(self.apis[kind]),
        )

    async def stand(self) -> None:
        """The follower follows, the blocked one is blocked, whatever happened."""
        services = {one.name: one for one in all_services()}
        graph = services["GraphService"]
        for method, kind, whom in (
            ("Unblock", "owner", "follower"),
            ("Unblock", "follower", "owner"),
            ("Follow", "follower", "owner"),
            ("ApproveFollow", "owner", "follower"),
            ("Block", "owner", "blocked"),
        ):
            request = message_of(graph.methods_by_name[method])(user_id=self.ids[whom], request_id=new_request_id())
            await self.call(graph, method, request, kind=kind)

    async def renew(self, *methods: str) -> None:
        """What some methods end is there again: the owner's upload, collection, comment, or second session."""
        for method in methods:
            if method == "EndSession":
                again = Api(self.stage.system.layout.origin)
                await again.sign_in("owner1", "watch-owner1-clips")
                self.ids["session_id"] = session_of(again)
                await again.close()
                continue
            service, making, of = _MADE_BY[method]
            found = next(one for one in all_services() if one.name == service)
            answer: Any = await self.call(found, making, await self.request(found.methods_by_name[making], "owner"), kind="owner")
            for part in of.split("."):
                answer = getattr(answer, part)
            self.ids[of.rpartition(".")[2]] = answer

    async def request(self, method: MethodDescriptor, kind: str) -> Message:
        """A request about the owner and what is theirs, as good as it can be without knowing the method."""
        request = message_of(method)()
        await self._fill(request, method, kind)
        return request

    async def _fill(self, message: Message, method: MethodDescriptor, kind: str) -> None:
        for told in message.DESCRIPTOR.fields:
            if told.name == "permit":
                getattr(message, told.name).CopyFrom(await self._permit(kind))
            elif told.message_type is not None:
                inner = getattr(message, told.name)
                if told.is_repeated:
                    await self._fill(inner.add(), method, kind)
                else:
                    inner.SetInParent()
                    await self._fill(inner, method, kind)
            elif (value := self._value(told, method)) is not None:
                if told.is_repeated:
                    getattr(message, told.name).append(value)
                else:
                    setattr(message, told.name, value)

    def _value(self, told: Any, method: MethodDescriptor) -> Any:
        if told.name == "request_id":
            return new_request_id()
        if told.name == "user_id":
            return self.ids["victim" if method.name in _ON_VICTIM else "owner"]
        if told.name in {"user_ids", "creator_id"}:
            return self.ids["owner"]
        if told.name == "email":
            return f"{new_request_id()}@example.org"
        if told.name in VALUES and (VALUES[told.name] is None or isinstance(VALUES[told.name], type(told.default_value))):
            return VALUES[told.name]
        single = told.name.removesuffix("s") if told.name.endswith("_ids") else told.name
        if single in self.ids:
            return self.ids[single]
        return 1 if told.enum_type is not None or told.name in _ONES else None

    async def _permit(self, kind: str) -> Message:
        """Video's word for somebody; where it gives none, one that was given to the owner."""
        known, until = self._permits.get(kind, (None, 0.0))
        if known is not None and time.monotonic() < until:
            return known
        video = next(one for one in all_services() if one.name == "VideoService")
        request: Any = message_of(video.methods_by_name["BatchIssuePermits"])()
        request.video_ids.append(self.ids["video_id"])
        for who in (kind, "owner"):
            try:
                answer: Any = await self.call(video, "BatchIssuePermits", request, kind=who)
            except MeshError:
                continue
            if answer.permits:
                permit: Message = answer.permits[0]
                self._permits[kind] = permit, time.monotonic() + _PERMIT_S
                return permit
        raise AssertionError("the owner has no permit")

    def _of(self, caller: str) -> Channels:
        if caller not in self._channels:
            folder = self.stage.folder
            channels = self._channels[caller] = Channels(
                secrets=Secrets.load(folder / "run" / "secrets" / f"{caller}.json"),
                clock=SystemClock(),
                telemetry=Telemetry(service=caller),
                addresses=Doors.of(folder, addresses={}).by_service(),
            )
            self.stack.push_async_callback(channels.close)
        return self._channels[caller]

    def _signer(self) -> ViewerSigner:
        if not self._signers:
            secrets = Secrets.load(self.stage.folder / "run" / "secrets" / "gateway.json")
            self._signers.append(ViewerSigner(secrets=secrets, clock=SystemClock()))
        return self._signers[0]


def session_of(api: Api) -> int:
    """The session in which somebody is signed in."""
    return int(json.loads(base64.urlsafe_b64decode(api.token.split(".")[1] + "=="))["sid"])


async def reason_of(call: Any) -> str:
    """What became of a call: the reason of its refusal, `in` or `nothing`."""
    try:
        return outcome(await call)
    except MeshError as refused:
        return refused.reason


_MADE_BY = {
    "AbortUpload": ("UploadService", "StartUpload", "upload.upload_id"),
    "DeleteCollection": ("EngagementService", "CreateCollection", "collection.collection_id"),
    "DeleteComment": ("CommentService", "PostComment", "comment.comment_id"),
    "StartImage": ("ImageService", "StartImage", "image_id"),
}
ENDING = (*(method for method in _MADE_BY if method != "StartImage"), "EndSession")
"""Methods after which what was asked for is gone."""
_ON_VICTIM = frozenset({"SetBan", "GrantRole"})
_ONES = frozenset({"part_numbers", "review_id", "sound_id", "sound_ids", "part_number", "size_bytes", "at_ms", "offset_bytes", "event_id"})
VALUES: dict[str, Any] = {
    "answers_id": None,
    "birth_date": "1990-05-05",
    "client_id": "clipmesh-web",
    "code": "no-such-code",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
    "code_verifier": "v" * 43,
    "current_password": "no such password",
    "decision": 1,
    "display_name": "Somebody",
    "etag": "0" * 32,
    "event_id": "event-of-nobody",
    "handle": "owner1",
    "hash": b"h" * 32,
    "login": "somebody",
    "mime_type": "video/mp4",
    "name": "Dances",
    "new_password": "a long battery staple",
    "password": "a long battery staple",
    "reason": "seen",
    "redirect_uri": "https://nobody.example/callback",
    "refresh_token": "no-such-token",
    "size_bytes": 100_000,
    "surface": 3,
    "text": "well danced",
    "token": "no-such-secret",
    "view_token": "no-such-token",
    "words": "rude",
}
"""What is said in fields that name nobody's things; None for a field that stays empty."""
