"""The block list in memory agrees with the plain way of counting bits."""

from __future__ import annotations

import random

from svc_rights.publication.hash_index import MATCH_DISTANCE, HashIndex


def plain_distance(first: bytes, second: bytes) -> int:
    """Differing bits, counted one by one."""
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def near(entry: bytes, bits: int, randomness: random.Random) -> bytes:
    """The hash with some random bits flipped."""
    number = int.from_bytes(entry, "big")
    for bit in randomness.sample(range(256), bits):
        number ^= 1 << bit
    return number.to_bytes(32, "big")


def test_matches_agree_with_counting_bit_by_bit_while_entries_come_and_go() -> None:
    randomness = random.Random(7)
    index, listed = HashIndex(), set[bytes]()
    for _ in range(600):
        if listed and randomness.random() < 0.3:
            gone = randomness.choice(sorted(listed))
            listed.discard(gone)
            index.remove(gone)
        else:
            entry = randomness.randbytes(32)
            listed.add(entry)
            index.add(entry)
            index.add(entry)
        assert len(index) == len(listed)
        if not listed:
            continue
        asked = [near(randomness.choice(sorted(listed)), randomness.randrange(25, 38), randomness), randomness.randbytes(32)]
        best = min(plain_distance(entry, question) for entry in listed for question in asked)
        match = index.snapshot().match(asked)
        if best > MATCH_DISTANCE:
            assert match is None
        else:
            assert match is not None
            assert match.distance == best
            assert match.blocked in listed


def test_an_empty_list_and_an_empty_question_match_nothing() -> None:
    assert HashIndex().snapshot().match([bytes(32)]) is None
    assert HashIndex([bytes(32)]).snapshot().match([]) is None


def test_a_snapshot_does_not_change_under_its_reader() -> None:
    index = HashIndex([bytes(32)])
    before = index.snapshot()
    index.remove(bytes(32))
    assert before.match([bytes(32)]) is not None
    assert index.snapshot().match([bytes(32)]) is None
