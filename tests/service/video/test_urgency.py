"""Nothing urgent waits for a call that is less urgent than itself: what the gateway begins, the video service goes on with."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, parse

from gateway.execution.documents import Operation
from gateway.overload.urgency import priority_of, priority_of_path
from mesh.access import Access, Priority
from svc_video.serving import served_services
from tests.service.video.world import World

UPLOADING = ("StartUpload", "SignUploadParts", "GetUploadOffset", "CompleteUpload", "AbortUpload")


@pytest.fixture
def access(world: World) -> dict[str, Access]:
    services = served_services(world.rooms, permits=world.served.process.permits)
    return {name: rules for service in services for name, rules in service.access.items()}


def asked(text: str, field: str) -> Priority:
    """How urgent the gateway takes an operation for."""
    (node,) = parse(text).definitions
    assert isinstance(node, OperationDefinitionNode)
    return priority_of(Operation(node=node, kind=node.operation, prices=(), root_fields=(field,)))


async def test_what_an_operation_needs_is_as_urgent_as_itself(access: dict[str, Access]) -> None:
    needs = {
        "video": (asked("{ video }", "video"), ("BatchGetVideos", "BatchGetPlayback")),
        "upload": (asked("{ upload }", "upload"), ("GetUpload",)),
        "uploads": (asked("{ uploads }", "uploads"), ("ListUploads",)),
        "like": (asked("mutation { like }", "like"), ("BatchIssuePermits",)),
        "comment": (asked("mutation { comment }", "comment"), ("BatchIssuePermits",)),
        "/tus": (priority_of_path("PATCH", "/tus/5"), UPLOADING),
        "/m": (priority_of_path("GET", "/m/x/720p.mp4"), ("ListRevocations",)),
    }
    late = {(name, call) for name, (urgency, calls) in needs.items() for call in calls if access[call].priority > urgency}
    assert late == set()
    assert {name: urgency.name for name, (urgency, _) in needs.items()} == {
        "video": "PLAYBACK",
        "upload": "WRITE",
        "uploads": "WRITE",
        "like": "WRITE",
        "comment": "WRITE",
        "/tus": "WRITE",
        "/m": "PLAYBACK",
    }
