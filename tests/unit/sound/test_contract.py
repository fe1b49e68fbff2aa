"""Nouns, errors and protos of sound say the same."""

from __future__ import annotations

import dataclasses

from clipmesh.sound.v1 import catalogue_service_pb2 as pb
from clipmesh.sound.v1 import errors_pb2

from mesh.errors import reasons_of
from mesh.testing.reasons import raised_by
from svc_sound.catalogue import errors
from svc_sound.catalogue.convert import sound_to_proto
from svc_sound.catalogue.tables import Sound, SoundKind

KEPT_BACK = {"audio_key"}
"""Where the bytes are is nobody's business outside."""
COUNTED = {"video_count"}
"""Comes from usage, not from the row."""


def test_every_reason_of_the_proto_has_one_error_and_no_error_has_another() -> None:
    assert raised_by(errors) == sorted(reasons_of(errors_pb2.SoundErrorReason.DESCRIPTOR))


def test_kinds_have_the_numbers_of_the_proto() -> None:
    assert {f"SOUND_KIND_{kind.name}": kind.value for kind in SoundKind} == dict(pb.SoundKind.items())


def test_the_noun_and_the_message_have_the_same_fields() -> None:
    of_row = {field.name for field in dataclasses.fields(Sound)}
    of_message = {field.name for field in pb.Sound.DESCRIPTOR.fields}
    assert of_row - KEPT_BACK == of_message - COUNTED


def test_every_field_of_the_message_comes_from_its_noun() -> None:
    sound = Sound(
        sound_id=1,
        kind=SoundKind.ORIGINAL,
        title="t",
        creator_id=2,
        source_video_id=3,
        duration_ms=4,
        audio_key="a",
        created_at_ms=5,
        version=6,
    )
    message = sound_to_proto(sound, video_count=7)
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    for field in dataclasses.fields(Sound):
        if field.name not in KEPT_BACK:
            assert getattr(message, field.name) == getattr(sound, field.name)
