"""Nouns, errors and protos of feed say the same."""

from __future__ import annotations

from clipmesh.feed.v1 import errors_pb2

from mesh.errors import reasons_of
from mesh.testing.reasons import raised_by
from svc_feed.foryou import errors
from svc_feed.metrics import STAGES
from svc_feed.wiring import Feed


def test_every_reason_of_the_proto_has_one_error_and_no_error_has_another() -> None:
    assert raised_by(errors) == sorted(reasons_of(errors_pb2.FeedErrorReason.DESCRIPTOR))


def test_every_stage_may_be_a_label_of_its_metrics(feed: Feed) -> None:
    named = [
        *(one.name for one in feed.hydrators),
        *(f"source.{one.name}" for one in feed.sources),
        *(one.name for one in feed.filters),
        *(one.name for one in feed.scorers),
        *(one.name for one in feed.effects),
    ]
    assert {*named, "session", "select", "serve"} == STAGES
    assert len(named) == len(set(named))


def test_every_source_has_a_bit_of_its_own(feed: Feed) -> None:
    bits = [source.bit for source in feed.sources]
    assert all(bit > 0 and bit & (bit - 1) == 0 for bit in bits)
    assert len(set(bits)) == len(bits)
