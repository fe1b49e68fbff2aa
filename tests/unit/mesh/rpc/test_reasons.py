"""The common reasons of the proto and the error classes of the mesh are the same words."""

from __future__ import annotations

from clipmesh.common.v1 import errors_pb2

from mesh import errors, operating
from mesh.errors import InvalidArgument, MeshError, reasons_of
from mesh.events import dead_letters
from mesh.events.archive import replaying

GENERAL = {"NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"}
"""Reasons of classes that services always narrow to a word of their own."""


def test_enum_and_class_tree_are_equal() -> None:
    words = reasons_of(errors_pb2.CommonErrorReason.DESCRIPTOR)
    declared = [value for module in (errors, dead_letters, replaying, operating) for value in vars(module).values()]
    classes = {value.reason for value in declared if isinstance(value, type) and issubclass(value, MeshError)}
    assert classes - GENERAL == words


def test_a_message_is_given_or_the_classes_own_sentence() -> None:
    assert InvalidArgument().message == "The request breaks a rule of its fields."
    refused = InvalidArgument("no links", violations=(("caption", "has a link"),), retry_after_ms=5, limit=3)
    assert (refused.message, refused.violations, refused.retry_after_ms, refused.facts) == (
        "no links",
        (("caption", "has a link"),),
        5,
        {"limit": 3},
    )
