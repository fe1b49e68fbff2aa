"""PublicationService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as pb
from clipmesh.rights.v1 import publication_service_pb2_grpc as rpc

from mesh.auth import require_signed_in
from mesh.errors import InvalidPageToken
from mesh.pages import PageTokens, clamp
from mesh.server import Access, Priority, ServedService, roles
from svc_rights.publication.actions import BlockList, Publications
from svc_rights.publication.convert import blocked_to_proto, facts_from_proto, verdict_to_proto

Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_MODERATORS = roles(viewer_pb2.ROLE_MODERATOR)

ACCESS = {
    "AssessPublication": Access(callers=frozenset({"video"}), idempotent=True, priority=Priority.WRITE),
    "BatchGetVerdicts": Access(callers=frozenset({"gateway", "video"}), idempotent=True),
    "AddBlockedHash": Access(callers=_GATEWAY, viewer=_MODERATORS, idempotent=True, priority=Priority.WRITE),
    "RemoveBlockedHash": Access(callers=_GATEWAY, viewer=_MODERATORS, idempotent=True, priority=Priority.WRITE),
    "ListBlockedHashes": Access(callers=_GATEWAY, viewer=_MODERATORS, idempotent=True),
}
_LIST = "blocked_hashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationServicer(rpc.PublicationServiceServicer):
    """Answers PublicationService."""

    publications: Publications
    block_list: BlockList
    tokens: PageTokens

    async def AssessPublication(self, request: pb.AssessPublicationRequest, context: Context) -> pb.AssessPublicationResponse:  # noqa: N802
        """The stored verdict for the facts of the caller."""
        verdict = await self.publications.assess(facts_from_proto(request))
        return pb.AssessPublicationResponse(verdict=verdict_to_proto(verdict))

    async def BatchGetVerdicts(self, request: pb.BatchGetVerdictsRequest, context: Context) -> pb.BatchGetVerdictsResponse:  # noqa: N802
        """Newest verdicts."""
        verdicts = await self.publications.newest(request.video_ids)
        return pb.BatchGetVerdictsResponse(verdicts=[verdict_to_proto(verdict) for verdict in verdicts])

    async def AddBlockedHash(self, request: pb.AddBlockedHashRequest, context: Context) -> pb.AddBlockedHashResponse:  # noqa: N802
        """Put a hash on the list."""
        entry = await self.block_list.add(request.hash, reason=request.reason, by=require_signed_in().user_id)
        return pb.AddBlockedHashResponse(blocked=blocked_to_proto(entry))

    async def RemoveBlockedHash(self, request: pb.RemoveBlockedHashRequest, context: Context) -> pb.RemoveBlockedHashResponse:  # noqa: N802
        """Take a hash off the list."""
        await self.block_list.remove(request.hash, by=require_signed_in().user_id)
        return pb.RemoveBlockedHashResponse()

    async def ListBlockedHashes(self, request: pb.ListBlockedHashesRequest, context: Context) -> pb.ListBlockedHashesResponse:  # noqa: N802
        """A page of the list."""
        cursor = self.tokens.decode(_LIST, "", request.page_token)
        try:
            after = bytes.fromhex(cursor)
        except ValueError as error:
            raise InvalidPageToken() from error
        entries, following = await self.block_list.page(after=after, limit=clamp(request.page_size))
        return pb.ListBlockedHashesResponse(
            blocked=[blocked_to_proto(entry) for entry in entries], next_page_token=self.tokens.encode(_LIST, "", following.hex())
        )


def publication_service(servicer: PublicationServicer) -> ServedService:
    """PublicationService as a server takes it."""
    return ServedService(
        add_to_server=rpc.add_PublicationServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["PublicationService"],
        access=ACCESS,
    )
