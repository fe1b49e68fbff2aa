"""Nouns, errors and protos of social say the same."""

from __future__ import annotations

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import errors_pb2

from mesh.errors import MeshError
from svc_social.identity import errors
from svc_social.identity.convert import account_to_proto, signing_key_to_proto, standing_to_proto
from svc_social.identity.session_tables import SigningKey
from svc_social.identity.tables import Account

COMMON = {"OVERLOADED"}


def test_every_reason_of_the_proto_has_one_error_and_no_error_has_another() -> None:
    declared = {name.removeprefix("SOCIAL_ERROR_REASON_") for name in dict(errors_pb2.SocialErrorReason.items())} - {"UNSPECIFIED"}
    raised = [
        error.reason
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, MeshError) and error.__module__ == errors.__name__
    ]
    assert sorted(raised) == sorted(declared | COMMON)


def test_every_field_of_the_protos_comes_from_its_noun() -> None:
    account = Account(
        user_id=1,
        handle="alice",
        display_name="Alice",
        bio="bio",
        verified=True,
        is_private=True,
        age_band=viewer_pb2.AGE_BAND_ADULT,
        roles_mask=1 << viewer_pb2.ROLE_VIEWER,
        consents_mask=1 << viewer_pb2.CONSENT_PURPOSE_ADS,
        languages="de",
        created_at_ms=5,
        version=3,
    )
    proto = account_to_proto(account, email="a@b.example")
    key = SigningKey(ring="r", number=1, key_id="k", public_key=b"p", not_before_ms=1, expires_at_ms=2)
    for message in (proto, proto.profile, standing_to_proto(account, now_ms=9), signing_key_to_proto(key)):
        assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
