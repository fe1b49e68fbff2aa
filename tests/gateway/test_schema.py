"""The schema as a contract: its text, its enums, its conventions."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

import pytest
from clipmesh.common.v1 import category_pb2, viewer_pb2
from clipmesh.feed.v1 import signal_service_pb2
from clipmesh.rights.v1 import publication_service_pb2, review_service_pb2
from clipmesh.social.v1 import comment_service_pb2, engagement_service_pb2, graph_service_pb2, notification_service_pb2, profile_service_pb2
from clipmesh.sound.v1 import catalogue_service_pb2
from clipmesh.video.v1 import playback_service_pb2, upload_service_pb2, video_service_pb2
from graphql import GraphQLNonNull, GraphQLObjectType, get_named_type, get_nullable_type, is_list_type, is_object_type
from strawberry.printer import print_schema

from gateway.schema import enums
from gateway.schema.__main__ import SDL
from gateway.schema.root import ENTITIES, make_schema

SCHEMA = make_schema()
TYPES = SCHEMA._schema.type_map
OBJECTS = [kind for name, kind in TYPES.items() if is_object_type(kind) and not name.startswith("__")]

ENUMS: dict[str, tuple[Any, set[str], dict[str, str]]] = {
    "VideoState": (video_service_pb2.VideoState, {"UNSPECIFIED"}, {}),
    "Visibility": (video_service_pb2.Visibility, {"UNSPECIFIED"}, {}),
    "Category": (category_pb2.Category, set(), {}),
    "UploadState": (upload_service_pb2.UploadState, {"UNSPECIFIED"}, {}),
    "ProcessingStage": (upload_service_pb2.ProcessingStage, set(), {"UNSPECIFIED": "WAITING"}),
    "Role": (viewer_pb2.Role, {"UNSPECIFIED"}, {}),
    "AgeBand": (viewer_pb2.AgeBand, set(), {"13_TO_15": "AGE_13_TO_15", "16_TO_17": "AGE_16_TO_17"}),
    "ConsentPurpose": (viewer_pb2.ConsentPurpose, {"UNSPECIFIED"}, {}),
    "SoundKind": (catalogue_service_pb2.SoundKind, {"UNSPECIFIED"}, {}),
    "PlaybackRefusal": (playback_service_pb2.PlaybackRefusal, {"UNSPECIFIED"}, {}),
    "Surface": (signal_service_pb2.Surface, {"UNSPECIFIED", "FOR_YOU"}, {}),
    "WatchOutcome": (signal_service_pb2.WatchOutcome, {"UNSPECIFIED"}, {}),
    "VerdictKind": (publication_service_pb2.VerdictKind, {"UNSPECIFIED"}, {}),
    "FollowState": (graph_service_pb2.FollowState, set(), {"UNSPECIFIED": "NONE"}),
    "CommentOrder": (comment_service_pb2.CommentOrder, {"UNSPECIFIED"}, {}),
    "CommentState": (comment_service_pb2.CommentState, {"UNSPECIFIED"}, {}),
    "ShareTarget": (engagement_service_pb2.ShareTarget, {"UNSPECIFIED"}, {}),
    "Audience": (profile_service_pb2.Audience, {"UNSPECIFIED"}, {}),
    "NotificationKind": (notification_service_pb2.NotificationKind, {"UNSPECIFIED"}, {}),
    "ReviewState": (review_service_pb2.ReviewState, {"UNSPECIFIED"}, {}),
}
"""Name -> (the proto's enum, values that clients never see, values that are called otherwise)."""

OF_OTHER_SERVICES = {
    *("User.followerCount", "User.followingCount", "User.relationship", "User.followers", "User.following", "UserEdge.node"),
    *("Video.likeCount", "Video.saveCount", "Video.shareCount", "Video.repostCount", "Video.countsApproximate", "Video.viewerState"),
    *("User.reposts", "User.avatar", "Avatar.url", "EngagedEdge.node"),
    *("Video.commentCount", "Video.comments", "Video.replies", "Video.commentPath", "Comment.author", "Comment.mentions"),
    *("Notification.actors", "Notification.video"),
    *("Video.creator", "Video.sound", "Video.viewCount", "Video.viewToken", "Video.playback", "User.videos", "Account.sessions"),
    *("Sound.creator", "Sound.sourceVideo", "Sound.videos", "Upload.video", "Review.video", "Review.creator"),
}
"""Fields that another call than their parent's serves."""


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert SDL.read_text(encoding="utf-8") == print_schema(SCHEMA) + "\n", "run: python -m gateway.schema"


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_equals_the_protos(name: str) -> None:
    proto, hidden, renamed = ENUMS[name]
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_"
    expected = {}
    for value in proto.DESCRIPTOR.values:
        word = value.name.removeprefix(prefix)
        if word not in hidden:
            expected[renamed.get(word, word)] = value.number
    assert {member.name: int(member.value) for member in getattr(enums, name)} == expected


def test_every_enum_of_the_schema_is_compared() -> None:
    ours = {name for name, kind in vars(enums).items() if isinstance(kind, type) and issubclass(kind, IntEnum)}
    assert ours == set(ENUMS)


def test_every_mutation_answers_user_errors_and_takes_one_input() -> None:
    mutation = SCHEMA._schema.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        payload = get_named_type(field.type)
        assert isinstance(payload, GraphQLObjectType)
        assert str(payload.fields["userErrors"].type) == "[UserError!]!", name
        assert list(field.args) == ["input"], name
        assert str(field.args["input"].type) == f"{name[0].upper()}{name[1:]}Input!", name


def test_a_fault_of_one_root_field_takes_no_other_along() -> None:
    """A null that may not stand where it is takes its parent along: of a root field that would be everything the operation asked or did."""
    for root in ("Query", "Mutation"):
        for name, field in TYPES[root].fields.items():  # type: ignore[attr-defined]
            assert not isinstance(field.type, GraphQLNonNull), f"{root}.{name}"


def test_fields_of_other_services_are_nullable() -> None:
    for path in OF_OTHER_SERVICES:
        kind, field = path.split(".")
        assert not isinstance(TYPES[kind].fields[field].type, GraphQLNonNull), path  # type: ignore[attr-defined]


def test_every_field_with_a_call_of_its_own_is_listed_as_nullable() -> None:
    roots = {"Query", "Mutation", "Subscription"}
    resolved = {
        f"{kind.name}.{name}"
        for kind in OBJECTS
        if kind.name not in roots
        for name, field in kind.fields.items()
        if (definition := field.extensions.get("strawberry-definition")) is not None and definition.base_resolver is not None
    }
    assert resolved == OF_OTHER_SERVICES


def test_ids_are_opaque_counts_are_big_and_times_have_a_zone() -> None:
    for kind in OBJECTS:
        for name, field in kind.fields.items():
            word = str(get_nullable_type(field.type))
            if name == "id" or name.endswith("Id"):
                assert word in {"ID!", "ID", "String"} or name == "feedSessionId", f"{kind.name}.{name}"
            if name.endswith("At"):
                assert get_named_type(field.type).name == "DateTime", f"{kind.name}.{name}"
            if name.endswith("Count") and name != "partCount":
                assert get_named_type(field.type).name == "BigInt", f"{kind.name}.{name}"


def test_connections_follow_relay() -> None:
    for kind in OBJECTS:
        if kind.name.endswith("Connection"):
            edge = kind.name.removesuffix("Connection") + "Edge"
            assert str(kind.fields["edges"].type) == f"[{edge}!]!"
            assert str(kind.fields["pageInfo"].type) == "PageInfo!"
            assert str(TYPES[edge].fields["cursor"].type) == "String!"  # type: ignore[attr-defined]
            # Whom one blocks, and what one saved, stays in one's list, and can be let go, also when it is not there for oneself.
            assert isinstance(TYPES[edge].fields["node"].type, GraphQLNonNull) is (edge not in {"UserEdge", "EngagedEdge"})  # type: ignore[attr-defined]


def test_lists_hold_no_nulls_but_where_an_absent_item_keeps_its_place() -> None:
    loose = {
        f"{kind.name}.{name}"
        for kind in OBJECTS
        for name, field in kind.fields.items()
        if is_list_type(inner := get_nullable_type(field.type)) and not isinstance(inner.of_type, GraphQLNonNull)
    }
    assert loose == {"Query.videos", "Query.nodes"}


def test_entities_have_their_key_and_resolve_it() -> None:
    assert set(ENTITIES) == {"User", "Video", "Sound"}
    for name, key in ENTITIES.items():
        kind = TYPES[name]
        assert str(kind.fields[key].type) == "ID!"  # type: ignore[attr-defined]
        definition = kind.extensions["strawberry-definition"]
        assert callable(definition.origin.resolve_reference)


def test_every_type_and_root_field_says_what_it_is() -> None:
    roots = {"Query", "Mutation", "Subscription"}
    silent = [kind.name for kind in TYPES.values() if not kind.name.startswith("__") and not kind.description]
    silent += [f"{root}.{name}" for root in roots for name, field in TYPES[root].fields.items() if not field.description]  # type: ignore[attr-defined]
    assert silent == []
