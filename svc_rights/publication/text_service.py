"""TextPolicyService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from clipmesh.rights.v1 import text_policy_service_pb2 as pb
from clipmesh.rights.v1 import text_policy_service_pb2_grpc as rpc

from mesh.server import Access, Priority, ServedService
from svc_rights.publication.convert import kind_to_proto, text_facts_from_proto
from svc_rights.publication.texts import TextPolicy

Context = grpc.aio.ServicerContext[Any, Any]

ACCESS = {"BatchAssessTexts": Access(callers=frozenset({"social"}), idempotent=True, priority=Priority.WRITE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPolicyServicer(rpc.TextPolicyServiceServicer):
    """Answers TextPolicyService."""

    policy: TextPolicy

    async def BatchAssessTexts(self, request: pb.BatchAssessTextsRequest, context: Context) -> pb.BatchAssessTextsResponse:  # noqa: N802
        """What the rules say of texts."""
        judged = await self.policy.assess([text_facts_from_proto(text) for text in request.texts])
        return pb.BatchAssessTextsResponse(
            verdicts=[
                pb.TextVerdict(kind=kind_to_proto(one.assessment.kind), policy=one.assessment.policy, has_link=one.has_link)
                for one in judged
            ]
        )


def text_policy_service(servicer: TextPolicyServicer) -> ServedService:
    """TextPolicyService as a server takes it."""
    return ServedService(
        add_to_server=rpc.add_TextPolicyServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["TextPolicyService"],
        access=ACCESS,
    )
