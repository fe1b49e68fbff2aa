"""What a creator is told of a clip that cannot be made."""

from __future__ import annotations

import pytest

from svc_video.processing.media import RejectReason
from svc_video.processing.media.bounds import MAX_ASPECT_RATIO, MAX_FPS, MAX_STREAMS, MIN_FPS, MIN_SIDE_PX
from svc_video.processing.rules import PROCESSING_FAILED
from svc_video.processing.sentences import sentence_of

REASONS = (*RejectReason, "CHECKSUM_MISMATCH", "SIZE_MISMATCH", PROCESSING_FAILED)


def test_every_reason_has_a_sentence_of_its_own() -> None:
    otherwise = sentence_of("ONE_THAT_NOBODY_KNOWS")
    told = {sentence_of(reason) for reason in REASONS}
    assert len(told) == len(REASONS)
    assert otherwise not in told


@pytest.mark.parametrize("reason", REASONS)
def test_a_sentence_is_one_for_a_person(reason: str) -> None:
    told = sentence_of(reason)
    assert told[0].isupper()
    assert told.endswith(".")
    assert len(told) <= 300
    assert "file:" not in told


def test_the_numbers_are_those_of_the_bounds() -> None:
    assert f"more than {MAX_STREAMS} streams" in sentence_of("TOO_MANY_STREAMS")
    assert f"fewer than {MIN_FPS} or more than {MAX_FPS}" in sentence_of("FPS_OUT_OF_RANGE")
    assert f"smaller than {MIN_SIDE_PX} pixels" in sentence_of("TOO_FEW_PIXELS")
    assert MAX_ASPECT_RATIO == 4, "the sentence says four"
