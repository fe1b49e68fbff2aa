"""Words of people are sealed wherever they are kept, and events never carry them: walked over all protos and all tables."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from clipmesh.common.v1 import personal_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

ROOT = Path(__file__).resolve().parents[3]
GENERATED = ROOT / "codegen" / "python"
_SOCIAL = "clipmesh.social.v1."

SEALED = {
    "Account.email": "Account.email_sealed",
    "AuthorizeRequest.login": "Account.email_sealed",
    "ChangeHandleRequest.handle": "Account.handle_sealed",
    "Collection.name": "Collection.name_sealed",
    "Comment.text": "Comment.text_sealed",
    "CommentFilters.words": "CommentFilter.words_sealed",
    "CommentRevision.text": "Comment.text_sealed",
    "CreateCollectionRequest.name": "Collection.name_sealed",
    "EditCommentRequest.text": "Comment.text_sealed",
    "ExchangeCodeRequest.device": "Session.device_sealed",
    "LoginSession.device": "Session.device_sealed",
    "PostCommentRequest.text": "Comment.text_sealed",
    "Profile.bio": "Account.bio_sealed",
    "Profile.display_name": "Account.display_name_sealed",
    "Profile.handle": "Account.handle_sealed",
    "QuietHours.from_minute": "SettingsRow.quiet_hours_sealed",
    "QuietHours.time_zone": "SettingsRow.quiet_hours_sealed",
    "QuietHours.to_minute": "SettingsRow.quiet_hours_sealed",
    "RenameCollectionRequest.name": "Collection.name_sealed",
    "SignUpRequest.birth_date": "Account.birth_date_sealed",
    "SignUpRequest.display_name": "Account.display_name_sealed",
    "SignUpRequest.email": "Account.email_sealed",
    "SignUpRequest.handle": "Account.handle_sealed",
    "SignUpResponse.handle": "Account.handle_sealed",
    "UpdateProfileRequest.bio": "Account.bio_sealed",
    "UpdateProfileRequest.display_name": "Account.display_name_sealed",
}
"""Personal fields of social, each with the sealed column in which its value is kept."""

NOT_KEPT = {
    "clipmesh.common.v1.ViewerContext.handle": "stands in access tokens and travels with calls",
    "clipmesh.rights.v1.AssessedText.text": "is judged and forgotten",
    **{
        f"{_SOCIAL}{name}.client_address": "only a keyed hash of its network is kept, for a window"
        for name in (
            "AuthorizeRequest",
            "ChangePasswordRequest",
            "RequestPasswordResetRequest",
            "ResetPasswordRequest",
            "RequestEmailVerificationRequest",
            "VerifyEmailRequest",
        )
    },
    f"{_SOCIAL}GetProfileByHandleRequest.handle": "a question; compared by its keyed hash",
    f"{_SOCIAL}RequestPasswordResetRequest.email": "a question; compared by its keyed hash",
}
"""Personal fields whose values no row, event or blob has."""

HASHED = {"Reservation.name": "a keyed hash of the name"}
"""Columns of texts that are named like a personal field and hold none."""


def files() -> list[FileDescriptor]:
    """Every proto of ours."""
    names = sorted(path.relative_to(GENERATED).with_suffix("") for path in (GENERATED / "clipmesh").rglob("*_pb2.py"))
    return [importlib.import_module(".".join(name.parts)).DESCRIPTOR for name in names]


def messages(holder: FileDescriptor | Descriptor) -> Iterator[Descriptor]:
    """Every message, nested ones included."""
    direct = holder.message_types_by_name if isinstance(holder, FileDescriptor) else holder.nested_types_by_name
    for message in direct.values():
        yield message
        yield from messages(message)


def is_personal(field: FieldDescriptor) -> bool:
    """Whether a field is marked."""
    return bool(field.GetOptions().Extensions[personal_pb2.personal])


def personal_fields() -> set[str]:
    """Full names of all marked fields."""
    return {field.full_name for file in files() for message in messages(file) for field in message.fields if is_personal(field)}


def columns() -> dict[str, object]:
    """Type of every column of every table of social, which alone keeps what is marked, by `Row.column`."""
    found: dict[str, object] = {}
    for path in sorted(ROOT.glob("svc_social/**/*tables.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for row_type in vars(module).values():
            if isinstance(row_type, type) and is_dataclass(row_type) and row_type.__module__ == module.__name__:
                found |= {f"{row_type.__name__}.{field.name}": field.type for field in fields(row_type)}
    return found


def reached(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Marked fields that a message can carry, at whatever depth."""
    for field in message.fields:
        if is_personal(field):
            yield field.full_name
        if field.message_type is not None and field.message_type.full_name not in seen:
            yield from reached(field.message_type, seen | {message.full_name})


def test_every_personal_field_has_its_sealed_column_or_is_not_kept() -> None:
    known = {f"{_SOCIAL}{name}" for name in SEALED} | set(NOT_KEPT)
    assert personal_fields() == known, "name the sealed column of a new personal field here, or say why its value is not kept"


def test_every_sealed_column_is_bytes_and_no_clear_one_stands_beside_it() -> None:
    found = columns()
    for name, column in SEALED.items():
        assert found.get(column) in (bytes, "bytes"), f"{name} is kept in {column}, which is no column of sealed bytes"
        row = column.partition(".")[0]
        clear = f"{row}.{name.rpartition('.')[2]}"
        assert clear not in found, f"{clear} keeps in clear what {column} seals"


def test_no_table_has_a_text_column_named_like_a_personal_field() -> None:
    names = {name.rpartition(".")[2] for name in personal_fields()}
    wrong = [column for column, kind in columns().items() if kind in (str, "str") and column.rpartition(".")[2] in names]
    assert [column for column in wrong if column not in HASHED] == []


@pytest.mark.parametrize("file", [file for file in files() if file.name.endswith("/events.proto")], ids=lambda file: str(file.package))
def test_no_event_carries_words_of_people(file: FileDescriptor) -> None:
    carried = {message.full_name: sorted(reached(message)) for message in messages(file)}
    assert {name: found for name, found in carried.items() if found} == {}, "events say who and what; words are read from their owner"
