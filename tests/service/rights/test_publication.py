"""The gate: verdicts by facts, stored once, logged step by step, and never older than what stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import events_pb2
from clipmesh.rights.v1 import publication_service_pb2 as pb
from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub

from mesh.client import RpcFailed
from mesh.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from svc_rights.publication.store import VerdictStore
from svc_rights.publication.tables import BlockedHash, Verdict, VerdictKind
from tests.service.rights.world import ALLOW, BLOCK, LIMIT, MODERATOR, REVIEW, REVIEW_WORDS, World, facts, open_world

FRAME = bytes(range(32))
MODERATES = viewer_pb2.ROLE_MODERATOR


def differing(frame: bytes, bits: int) -> bytes:
    """The hash with its first bits flipped."""
    number = int.from_bytes(frame, "big") ^ ((1 << bits) - 1)
    return number.to_bytes(32, "big")


async def test_a_harmless_clip_is_allowed_stored_logged_and_said(world: World) -> None:
    verdict = await world.assess(1)
    assert verdict == pb.Verdict(
        verdict_id=verdict.verdict_id,
        video_id=1,
        kind=ALLOW,
        policy="default.allow",
        publication_version=1,
        decided_at_ms=world.clock.now_ms(),
        version=1,
    )
    assert verdict.verdict_id > 0
    assert await world.verdicts(5, 1, 1) == [verdict]
    (event,) = await world.events()
    assert (event.type, event.topic, event.key, event.key_version) == ("clipmesh.rights.v1.VerdictChanged", "rights", "1", 1)
    assert list(event.subject_ids) == [70]
    assert events_pb2.VerdictChanged.FromString(event.payload).verdict == verdict
    (entry,) = await VerdictStore(tables=world.tables).log(1)
    assert (entry.step, entry.kind, entry.verdict_id, entry.decided_by) == (1, VerdictKind.ALLOW, verdict.verdict_id, 0)


@pytest.mark.parametrize(
    ("fields", "kind", "policy"),
    [
        ({"account_level": pb.ACCOUNT_LEVEL_NEW}, ALLOW, "default.allow"),
        ({"account_level": pb.ACCOUNT_LEVEL_SUSPENDED}, BLOCK, "account.suspended"),
        ({"account_level": pb.ACCOUNT_LEVEL_LIMITED}, LIMIT, "account.limited"),
        ({"account_level": pb.ACCOUNT_LEVEL_UNSPECIFIED}, REVIEW, "account.unknown"),
        ({"caption": "K1LL y0ur\u200bself"}, BLOCK, "text.blocked_word"),
        ({"caption": "harmless", "hashtags": ["KillYourself"]}, BLOCK, "text.blocked_word"),
        ({"caption": REVIEW_WORDS}, REVIEW, "text.review_word"),
        ({"caption": "what the f.u.c.k"}, LIMIT, "text.limited_word"),
        ({"caption": "so ein scheiß", "language": "de"}, ALLOW, "default.allow"),
        ({"caption": "so eine Scheiße", "language": "de"}, LIMIT, "text.limited_word"),
        ({"caption": "so eine Scheiße", "language": ""}, LIMIT, "text.limited_word"),
        ({"caption": "so eine Scheiße", "language": "en"}, ALLOW, "default.allow"),
        ({"caption": "see phishing.test/now"}, BLOCK, "link.blocked"),
        ({"caption": "see https://login.phishing[.]test"}, BLOCK, "link.blocked"),
        ({"caption": "a.com b.com c.com d.com"}, REVIEW, "link.many"),
        ({"caption": "my shop.com", "account_level": pb.ACCOUNT_LEVEL_NEW}, LIMIT, "link.new_account"),
        ({"caption": "my shop.com"}, ALLOW, "default.allow"),
        ({"caption": "@a " * 11}, LIMIT, "spam.mentions"),
        ({"caption": "call +49 151 23456789", "age_band": viewer_pb2.AGE_BAND_13_TO_15}, REVIEW, "minor.contact"),
        ({"caption": "write me@mail.example", "age_band": viewer_pb2.AGE_BAND_UNSPECIFIED}, REVIEW, "minor.contact"),
        ({"caption": "call +49 151 23456789", "age_band": viewer_pb2.AGE_BAND_16_TO_17}, ALLOW, "default.allow"),
        ({"findings": [pb.MediaFinding(name="nudity", score=0.96)]}, BLOCK, "media.nudity"),
        ({"findings": [pb.MediaFinding(name="nudity", score=0.7)]}, REVIEW, "media.nudity"),
        ({"findings": [pb.MediaFinding(name="nudity", score=0.69)]}, LIMIT, "media.nudity"),
        ({"findings": [pb.MediaFinding(name="nudity", score=0.49)]}, ALLOW, "default.allow"),
        ({"findings": [pb.MediaFinding(name="black_ratio", score=1.0)]}, LIMIT, "media.black_ratio"),
        ({"findings": [pb.MediaFinding(name="frozen_ratio", score=1.0)]}, ALLOW, "default.allow"),
        ({"classified": False}, ALLOW, "media.unclassified"),
    ],
)
async def test_each_rule_says_what_it_means(world: World, fields: dict[str, object], kind: int, policy: str) -> None:
    verdict = await world.assess(1, **fields)
    assert (verdict.kind, verdict.policy) == (kind, policy)


async def test_the_most_severe_rule_decides_and_all_that_spoke_are_evidence(world: World) -> None:
    verdict = await world.assess(
        1, caption=f"fuck {REVIEW_WORDS} phishing.test", classified=False, findings=[pb.MediaFinding(name="violence", score=0.8)]
    )
    assert (verdict.kind, verdict.policy) == (BLOCK, "link.blocked")
    assert {(entry.policy, entry.kind) for entry in verdict.evidence} == {
        ("text.limited_word", LIMIT),
        ("text.review_word", REVIEW),
        ("link.blocked", BLOCK),
        ("media.violence", REVIEW),
        ("media.unclassified", ALLOW),
    }


@pytest.mark.parametrize("kind", [VerdictKind.LIMIT, VerdictKind.REVIEW])
async def test_the_operator_says_what_unclassified_media_means(tmp_path: Path, kind: VerdictKind) -> None:
    async with open_world(tmp_path, unclassified=kind) as world:
        verdict = await world.assess(1, classified=False)
        assert (verdict.kind, verdict.policy) == (int(kind), "media.unclassified")
        assert (await world.assess(2)).kind == ALLOW


async def test_the_same_facts_get_the_same_stored_verdict(world: World) -> None:
    first = await world.assess(1, caption=REVIEW_WORDS)
    world.clock.advance(5_000)
    answers = await asyncio.gather(*(world.assess(1, caption=REVIEW_WORDS) for _ in range(10)))
    assert all(answer == first for answer in answers)
    assert len(await world.events()) == 1
    assert len(await world.queue()) == 1


async def test_parallel_first_assessments_agree(world: World) -> None:
    answers = await asyncio.gather(*(world.assess(1, caption=REVIEW_WORDS) for _ in range(20)))
    assert len({answer.verdict_id for answer in answers}) == 1
    assert len(await world.rows(Verdict)) == 2
    assert len(await world.queue()) == 1


async def test_other_facts_for_the_same_version_are_assessed_anew_and_logged(world: World) -> None:
    await world.assess(1)
    second = await world.assess(1, account_level=pb.ACCOUNT_LEVEL_SUSPENDED)
    assert (second.kind, second.version) == (BLOCK, 2)
    log = await VerdictStore(tables=world.tables).log(1)
    assert [(entry.step, entry.kind.name, entry.policy) for entry in log] == [
        (1, "ALLOW", "default.allow"),
        (2, "BLOCK", "account.suspended"),
    ]
    assert [event.key_version for event in await world.events()] == [1, 2]


async def test_an_older_publication_is_refused_and_changes_nothing(world: World) -> None:
    newest = await world.assess(1, publication_version=3)
    rows, said = await world.rows(Verdict), await world.events()
    with pytest.raises(FailedPrecondition) as failed:
        await world.assess(1, publication_version=2, caption=REVIEW_WORDS)
    assert failed.value.reason == "PUBLICATION_OUTDATED"
    assert await world.verdicts(1) == [newest]
    assert (await world.rows(Verdict), await world.events()) == (rows, said)
    assert await world.queue() == []


async def test_a_moderators_decision_stands_for_its_publication_unless_the_rules_would_block(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    await world.decide(review.review_id, ALLOW)
    calm = await world.assess(1, caption=REVIEW_WORDS, account_level=pb.ACCOUNT_LEVEL_LIMITED)
    assert (calm.kind, calm.decided_by, calm.version) == (ALLOW, MODERATOR, 2)
    severe = await world.assess(1, caption=REVIEW_WORDS, account_level=pb.ACCOUNT_LEVEL_SUSPENDED)
    assert (severe.kind, severe.decided_by, severe.version) == (BLOCK, 0, 3)


@pytest.mark.parametrize(("bits", "kind"), [(0, BLOCK), (31, BLOCK), (32, ALLOW)])
async def test_a_blocked_picture_is_found_in_any_frame_up_to_31_bits_away(world: World, bits: int, kind: int) -> None:
    await world.publication(MODERATES).AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="court order"))
    frames = [b"\xff" * 32, b"\x0f" * 32, differing(FRAME, bits)]
    verdict = await world.assess(1, perceptual_hashes=frames)
    assert verdict.kind == kind
    if kind == BLOCK:
        (evidence,) = verdict.evidence
        assert (evidence.policy, evidence.detail) == ("hash.blocked", f"{bits} bits from blocked hash {FRAME.hex()[:16]}")


async def test_the_block_list_is_safe_to_repeat_and_keeps_who_took_off_what(world: World) -> None:
    stub = world.publication(MODERATES)
    first = (await stub.AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="court order"))).blocked
    assert first == pb.BlockedHash(hash=FRAME, reason="court order", added_at_ms=world.clock.now_ms(), added_by=MODERATOR)
    world.clock.advance(1_000)
    other = world.publication(MODERATES, user_id=901)
    assert (await other.AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="again"))).blocked == first
    for _ in range(2):
        await other.RemoveBlockedHash(pb.RemoveBlockedHashRequest(hash=FRAME))
    await other.RemoveBlockedHash(pb.RemoveBlockedHashRequest(hash=b"\x01" * 32))
    assert list((await stub.ListBlockedHashes(pb.ListBlockedHashesRequest())).blocked) == []
    assert (await world.assess(1, perceptual_hashes=[FRAME])).kind == ALLOW
    (row,) = await world.rows(BlockedHash)
    assert (row.removed_by, row.removed_at_ms) == (901, world.clock.now_ms())
    await stub.AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="anew"))
    assert (await world.assess(2, perceptual_hashes=[FRAME])).kind == BLOCK


async def test_the_block_list_is_read_again_at_start(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.publication(MODERATES).AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="x"))
    async with open_world(tmp_path) as world:
        assert (await world.assess(1, perceptual_hashes=[FRAME])).kind == BLOCK


async def test_the_block_list_is_paged_without_gap_or_repeat(world: World) -> None:
    stub = world.publication(MODERATES)
    hashes = [bytes([n * 7 % 256]) * 32 for n in range(25)]
    for blocked in hashes:
        await stub.AddBlockedHash(pb.AddBlockedHashRequest(hash=blocked, reason="x"))
    seen: list[bytes] = []
    token = ""
    while True:
        page = await stub.ListBlockedHashes(pb.ListBlockedHashesRequest(page_size=4, page_token=token))
        assert len(page.blocked) <= 4
        seen += [entry.hash for entry in page.blocked]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(hashes)
    with pytest.raises(InvalidArgument):
        await stub.ListBlockedHashes(pb.ListBlockedHashesRequest(page_token="nonsense"))


@pytest.mark.parametrize("role", [viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR, viewer_pb2.ROLE_OPERATOR, viewer_pb2.ROLE_ANALYST])
async def test_only_moderators_touch_the_block_list(world: World, role: viewer_pb2.Role.ValueType) -> None:
    stub = world.publication(role)
    calls = (
        stub.AddBlockedHash(pb.AddBlockedHashRequest(hash=FRAME, reason="x")),
        stub.RemoveBlockedHash(pb.RemoveBlockedHashRequest(hash=FRAME)),
        stub.ListBlockedHashes(pb.ListBlockedHashesRequest()),
    )
    for call in calls:
        with pytest.raises(PermissionDenied) as failed:
            await call
        assert failed.value.reason == "FORBIDDEN"
    assert await world.rows(BlockedHash) == []


@pytest.mark.parametrize("caller", ["gateway", "feed", "social", "stranger"])
async def test_only_video_asks_the_gate(world: World, caller: str) -> None:
    with pytest.raises(PermissionDenied):
        await world.served.stub(PublicationServiceStub, caller=caller).AssessPublication(facts())
    assert await world.rows(Verdict) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"video_id": 0},
        {"publication_version": 0},
        {"caption": "x" * 2201},
        {"perceptual_hashes": [b"short"]},
        {"findings": [pb.MediaFinding(name="x", score=1.5)]},
        {"account_level": 9},
    ],
)
async def test_facts_that_break_a_field_rule_are_refused_and_leave_nothing(world: World, fields: dict[str, object]) -> None:
    with pytest.raises(RpcFailed) as failed:
        await world.assess(**{"video_id": 1, **fields})  # type: ignore[arg-type]
    assert failed.value.reason == "INVALID_REQUEST"
    assert await world.rows(Verdict) == []


async def test_a_caption_of_any_length_and_kind_is_assessed_at_once(world: World) -> None:
    loop = asyncio.get_running_loop()
    for caption in ("a" * 2200, "f." * 1100, "\u0301" * 2200, "a.b." * 550, "🙂" * 2200, ("(" * 1100) + (")" * 1100), "1" * 2200):
        start = loop.time()
        await world.assess(1, caption=caption, publication_version=1)
        assert loop.time() - start < 0.5
