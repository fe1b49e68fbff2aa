"""Nouns, errors and protos of rights say the same."""

from __future__ import annotations

import dataclasses

from clipmesh.rights.v1 import errors_pb2, publication_service_pb2, review_service_pb2

from mesh.errors import reasons_of
from mesh.testing.reasons import raised_by
from svc_rights.publication import errors as publication_errors
from svc_rights.publication.convert import blocked_to_proto, evidence_to_json, facts_from_proto, verdict_to_proto
from svc_rights.publication.facts import Evidence, Facts
from svc_rights.publication.tables import BlockedHash, Verdict, VerdictKind
from svc_rights.reviews import errors as review_errors
from svc_rights.reviews.convert import review_to_proto
from svc_rights.reviews.tables import Review, ReviewState


def test_every_reason_of_the_proto_has_one_error_and_no_error_has_another() -> None:
    assert raised_by(publication_errors, review_errors) == sorted(reasons_of(errors_pb2.RightsErrorReason.DESCRIPTOR))


def test_kinds_and_states_have_the_numbers_of_the_protos() -> None:
    assert {f"VERDICT_KIND_{kind.name}": kind.value for kind in VerdictKind} == {
        name: number for name, number in publication_service_pb2.VerdictKind.items() if number
    }
    assert {f"REVIEW_STATE_{state.name}": state.value for state in ReviewState} == {
        name: number for name, number in review_service_pb2.ReviewState.items() if number
    }


def test_every_field_of_the_protos_comes_from_its_noun() -> None:
    evidence = evidence_to_json((Evidence(policy="p", detail="d", kind=VerdictKind.LIMIT),))
    verdict = Verdict(
        video_id=1,
        step=0,
        verdict_id=2,
        kind=VerdictKind.LIMIT,
        policy="p",
        evidence_json=evidence,
        publication_version=3,
        decided_at_ms=4,
        decided_by=5,
        version=6,
    )
    review = Review(
        review_id=1,
        video_id=2,
        creator_id=3,
        severity=4,
        caption="c",
        created_at_ms=5,
        decided_by=6,
        decision=2,
        decision_reason="r",
        decided_at_ms=7,
    )
    blocked = BlockedHash(bucket=0, hash=bytes(32), reason="r", added_at_ms=1, added_by=2)
    proto = verdict_to_proto(verdict)
    for message in (proto, proto.evidence[0], review_to_proto(review, verdict), blocked_to_proto(blocked)):
        assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}


def test_the_hash_of_facts_covers_every_field() -> None:
    pb = publication_service_pb2
    changes: list[dict[str, object]] = [
        {"video_id": 2},
        {"creator_id": 2},
        {"publication_version": 2},
        {"caption": "x"},
        {"hashtags": ["x"]},
        {"language": "x"},
        {"perceptual_hashes": [bytes(32)]},
        {"findings": [pb.MediaFinding(name="x")]},
        {"classified": True},
        {"account_level": 1},
        {"age_band": 1},
    ]
    assert {name for change in changes for name in change} == {field.name for field in pb.AssessPublicationRequest.DESCRIPTOR.fields}
    read = facts_from_proto(pb.AssessPublicationRequest(**{name: value for change in changes for name, value in change.items()}))  # type: ignore[arg-type]
    assert {field.name for field in dataclasses.fields(Facts)} - {"facts_hash"} == {name for change in changes for name in change}
    assert [field.name for field in dataclasses.fields(Facts) if not getattr(read, field.name)] == []
    hashes = {facts_from_proto(pb.AssessPublicationRequest(**change)).facts_hash for change in [{}, *changes]}  # type: ignore[arg-type]
    assert len(hashes) == len(changes) + 1
