"""TextPolicyService as social asks it, and what social makes of no answer."""

from __future__ import annotations

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as publication_pb
from clipmesh.rights.v1 import text_policy_service_pb2 as pb
from clipmesh.rights.v1.text_policy_service_pb2_grpc import TextPolicyServiceStub

from mesh.client import RpcFailed
from mesh.deadline import scope
from mesh.errors import Unavailable
from svc_social.comments.policy import Judged, RightsTextPolicy, Verdict
from tests.service.rights.world import ALLOW, BLOCK, LIMIT, REVIEW, World

ADULT, YOUNG = viewer_pb2.AGE_BAND_ADULT, viewer_pb2.AGE_BAND_13_TO_15
NEW, GOOD = publication_pb.ACCOUNT_LEVEL_NEW, publication_pb.ACCOUNT_LEVEL_GOOD

TEXTS = [
    ("what a lovely clip", "en", GOOD, ADULT, ALLOW, "default.allow", False),
    ("shit, that was close", "en", GOOD, ADULT, LIMIT, "text.limited_word", False),
    ("sh1t", "en", GOOD, ADULT, LIMIT, "text.limited_word", False),
    ("fake passport", "en", GOOD, ADULT, REVIEW, "text.review_word", False),
    # Letters of another script that look the same do not help.
    ("k\u0456ll yourself", "en", GOOD, ADULT, BLOCK, "text.blocked_word", False),
    ("kill yourself", "de", GOOD, ADULT, BLOCK, "text.blocked_word", False),
    ("look at https://fine.example/x", "", GOOD, ADULT, ALLOW, "default.allow", True),
    ("look at fine [dot] com", "", NEW, ADULT, LIMIT, "link.new_account", True),
    ("go to phishing.test", "", GOOD, ADULT, BLOCK, "link.blocked", True),
    ("call me +49 170 123 45 67 89", "", GOOD, YOUNG, REVIEW, "minor.contact", False),
]


async def test_texts_are_judged_in_their_order_by_the_rules_of_the_gate(world: World) -> None:
    stub = world.served.stub(TextPolicyServiceStub, caller="social")
    asked = [pb.AssessedText(text=text, language=language, account_level=level, age_band=band) for text, language, level, band, *_ in TEXTS]
    answer = await stub.BatchAssessTexts(pb.BatchAssessTextsRequest(texts=asked))
    assert [(one.kind, one.policy, one.has_link) for one in answer.verdicts] == [expected[4:] for expected in TEXTS]
    assert await world.events() == []


@pytest.mark.parametrize("caller", ["gateway", "video", "feed", "sound", "stranger"])
async def test_social_alone_may_ask(world: World, caller: str) -> None:
    request = pb.BatchAssessTextsRequest(texts=[pb.AssessedText(text="x")])
    with pytest.raises(RpcFailed) as failed:
        await world.served.stub(TextPolicyServiceStub, caller=caller).BatchAssessTexts(request)
    assert failed.value.reason == "FORBIDDEN"


@pytest.mark.parametrize(
    "request_", [pb.BatchAssessTextsRequest(), pb.BatchAssessTextsRequest(texts=[pb.AssessedText(text="x" * 2_201)])], ids=["none", "long"]
)
async def test_what_is_no_text_is_refused(world: World, request_: pb.BatchAssessTextsRequest) -> None:
    with pytest.raises(RpcFailed) as failed:
        await world.served.stub(TextPolicyServiceStub, caller="social").BatchAssessTexts(request_)
    assert failed.value.reason == "INVALID_REQUEST"


async def test_social_takes_the_verdict_and_no_answer_for_none(world: World) -> None:
    stub = world.served.stub(TextPolicyServiceStub, caller="social", idempotent=("BatchAssessTexts",))
    policy = RightsTextPolicy(rights=stub)
    assert await policy.judge("fine", language="en", is_new=False, age_band=int(ADULT)) == Judged(verdict=Verdict.ALLOW)
    linked = await policy.judge("look at fine.com", language="", is_new=True, age_band=int(ADULT))
    assert linked == Judged(verdict=Verdict.LIMIT, has_link=True)
    with scope(0.0), pytest.raises(Unavailable):
        await policy.judge("fine", language="en", is_new=False, age_band=int(ADULT))
    await world.served.server.stop(drain_wait_ms=0, grace_ms=0)
    with scope(0.5), pytest.raises(Unavailable) as away:
        await policy.judge("fine", language="en", is_new=False, age_band=int(ADULT))
    assert away.value.retry_after_ms > 0
