"""Nouns, errors and protos of social say the same."""

from __future__ import annotations

import dataclasses

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import errors_pb2, profile_service_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.errors import reasons_of
from mesh.testing.reasons import raised_by
from svc_social.comments import errors as comment_errors
from svc_social.engagement import errors as engagement_errors
from svc_social.graph import errors as graph_errors
from svc_social.identity import errors
from svc_social.identity.actions import NewPerson, SignInRequest, TokenPair
from svc_social.identity.convert import account_to_proto, signing_key_to_proto, standing_to_proto
from svc_social.identity.people import Person
from svc_social.identity.session_tables import SigningKey
from svc_social.identity.tables import Account
from svc_social.notifications import errors as notification_errors

COMMON = {"OVERLOADED"}


def test_every_reason_of_the_proto_has_one_error_and_no_error_has_another() -> None:
    assert raised_by(errors, graph_errors, engagement_errors, comment_errors, notification_errors) == sorted(
        reasons_of(errors_pb2.SocialErrorReason.DESCRIPTOR) | COMMON
    )


def test_every_field_of_the_protos_comes_from_its_noun() -> None:
    account = Account(
        user_id=1,
        verified=True,
        region="DE",
        is_private=True,
        email_verified=True,
        age_band=viewer_pb2.AGE_BAND_ADULT,
        roles_mask=1 << viewer_pb2.ROLE_VIEWER,
        consents_mask=1 << viewer_pb2.CONSENT_PURPOSE_ADS,
        languages="de",
        created_at_ms=5,
        avatar_id=6,
        version=3,
    )
    person = Person(account=account, handle="alice", display_name="Alice", bio="bio")
    proto = account_to_proto(person, email="a@b.example")
    of_profile = {field.name for field in profile_service_pb2.Profile.DESCRIPTOR.fields}
    key = SigningKey(ring="r", number=1, key_id="k", public_key=b"p", not_before_ms=1, expires_at_ms=2)
    for message in (proto, proto.profile, standing_to_proto(account, now_ms=9), signing_key_to_proto(key)):
        assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert {name: getattr(proto.profile, name) for name in of_profile} == {
        name: getattr(person if hasattr(person, name) else account, name) for name in of_profile
    }


def test_requests_have_the_fields_of_what_is_asked() -> None:
    for noun, message in ((NewPerson, pb.SignUpRequest), (SignInRequest, pb.AuthorizeRequest), (TokenPair, pb.TokenPair)):
        assert {field.name for field in dataclasses.fields(noun)} == {field.name for field in message.DESCRIPTOR.fields}
