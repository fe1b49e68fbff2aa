"""The corpus in memory answers what sorting everything would answer."""

from __future__ import annotations

import random

import numpy as np
import pytest

from svc_feed.foryou.columns import MOST_TAGS, Columns, feature_names
from svc_feed.foryou.corpus import Corpus, heat
from svc_feed.foryou.ranking import Ranking
from svc_feed.foryou.tables import FeedVideo
from svc_feed.signals.rules import HALF_LIFE_MS, decayed
from svc_feed.signals.tables import LedgerEntry

NOW_MS = 1_760_000_000_000


def changes(rng: random.Random, count: int) -> list[FeedVideo | LedgerEntry]:
    """Videos and tallies that come in any order, versions too."""
    found: list[FeedVideo | LedgerEntry] = []
    for _ in range(count):
        video_id, version = rng.randint(1, 60), rng.randint(1, 30)
        # Equal versions are the same write.
        drawn = random.Random(video_id * 1_000 + version)
        if rng.random() < 0.5:
            found.append(
                FeedVideo(
                    video_id=video_id,
                    creator_id=drawn.randint(1, 9),
                    published_at_ms=NOW_MS - drawn.randint(0, 10**9),
                    recommendable=drawn.random() < 0.7,
                    version=version,
                )
            )
        else:
            shares = float(version)
            found.append(
                LedgerEntry(
                    video_id=video_id,
                    shard=rng.randrange(3),
                    entry="",
                    tokens=version,
                    share_sum=shares,
                    score=drawn.choice([0.0, drawn.random()]),
                    score_at_ms=NOW_MS - drawn.randint(0, 10**9),
                    version=version,
                )
            )
    return found


def reference(every: list[FeedVideo | LedgerEntry]) -> tuple[list[int], list[int], dict[int, tuple[float, float]]]:
    """The same by brute force: newest, hottest, tokens and shares."""
    videos: dict[int, FeedVideo] = {}
    tallies: dict[tuple[int, int], LedgerEntry] = {}
    for one in sorted(every, key=lambda one: one.version):
        if isinstance(one, FeedVideo):
            videos[one.video_id] = one
        else:
            tallies[(one.video_id, one.shard)] = one
    shown = [video for video in videos.values() if video.recommendable]
    newest = sorted(shown, key=lambda video: (video.published_at_ms, video.video_id), reverse=True)
    scores = {
        video.video_id: sum(
            decayed(row.score, since_ms=row.score_at_ms, now_ms=NOW_MS) for (owner, _), row in tallies.items() if owner == video.video_id
        )
        for video in shown
    }
    hottest = sorted((video_id for video_id, score in scores.items() if score > 0), key=lambda video_id: (scores[video_id], video_id))
    sums = {
        video_id: (
            float(sum(row.tokens for (owner, _), row in tallies.items() if owner == video_id)),
            sum(row.share_sum for (owner, _), row in tallies.items() if owner == video_id),
        )
        for video_id in videos
    }
    return [video.video_id for video in newest], hottest[::-1], sums


def answers(corpus: Corpus, known: list[int]) -> tuple[list[int], list[int], dict[int, tuple[float, float]]]:
    columns = corpus.columns
    rows = corpus.rows(known)
    return (
        columns.ids[corpus.newest(1_000)].tolist(),
        columns.ids[corpus.hottest(1_000)].tolist(),
        {video_id: (float(columns.tokens[row]), float(columns.shares[row])) for video_id, row in zip(known, rows, strict=True)},
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_corpus_equals_a_brute_force_reference_however_it_came_about(seed: int) -> None:
    rng = random.Random(seed)
    every = changes(rng, 300)
    wanted = reference(every)
    one_by_one, at_once, mixed = Corpus(), Corpus(), Corpus()
    for one in every:
        one_by_one.apply(one) if isinstance(one, FeedVideo) else one_by_one.apply_tally(one)
    at_once.load((one for one in every if isinstance(one, FeedVideo)), (one for one in every if isinstance(one, LedgerEntry)))
    half = every[:150]
    mixed.load((one for one in half if isinstance(one, FeedVideo)), (one for one in half if isinstance(one, LedgerEntry)))
    for one in every[150:]:
        mixed.apply(one) if isinstance(one, FeedVideo) else mixed.apply_tally(one)
    known = sorted(wanted[2])
    assert answers(one_by_one, known) == answers(at_once, known) == answers(mixed, known) == wanted
    assert one_by_one.columns.ids[one_by_one.newest(5)].tolist() == wanted[0][:5]


def test_the_order_by_heat_does_not_change_with_time() -> None:
    rng = random.Random(7)
    rows = [LedgerEntry(video_id=n, shard=0, entry="", score=rng.random(), score_at_ms=NOW_MS - rng.randint(0, 10**10)) for n in range(50)]
    by_heat = sorted(rows, key=lambda row: heat([row]) or 0)
    for later_ms in (0, HALF_LIFE_MS, 20 * HALF_LIFE_MS):
        assert sorted(rows, key=lambda row: decayed(row.score, since_ms=row.score_at_ms, now_ms=NOW_MS + later_ms)) == by_heat
    assert heat([]) is None
    assert heat([LedgerEntry(video_id=1, shard=0, entry="", tokens=3)]) is None


def test_columns_keep_their_values_while_they_grow() -> None:
    columns = Columns()
    videos = [FeedVideo(video_id=10**15 + n, creator_id=n, category=n % 23, hashtags=f"a b{n}", recommendable=True) for n in range(3_000)]
    assert [columns.set(video) for video in videos] == list(range(3_000))
    assert columns.ids[:3_000].tolist() == [video.video_id for video in videos]
    assert columns.creators[2_999] == 2_999
    assert columns.recommendable[:3_000].all()
    assert not columns.recommendable[3_000:].any()
    assert columns.row(1) == -1
    liked = columns.weights({"tag:b7": 0.5, "creator:8": 0.25, "tag:nobody has it": 9.0})[columns.features[:10]].sum(axis=1)
    assert liked.tolist() == [0, 0, 0, 0, 0, 0, 0, 0.5, 0.25, 0]


def test_a_clip_speaks_to_its_creator_category_and_first_hashtags() -> None:
    assert feature_names(0, 7, "") == ["creator:7"]
    tags = " ".join(f"t{number}" for number in range(30))
    assert feature_names(3, 7, tags) == ["creator:7", *(f"tag:t{number}" for number in range(MOST_TAGS)), "category:3"]
    assert Columns().set(FeedVideo(video_id=1, creator_id=7, category=3, hashtags=tags)) == 0


def test_a_ranking_moves_and_drops_its_rows() -> None:
    ranking = Ranking()
    for row, key in enumerate((3.0, 1.0, 2.0)):
        ranking.put((key, row, row))
    assert ranking.best(9).tolist() == [0, 2, 1]
    ranking.put((5.0, 1, 1))
    ranking.drop(0)
    ranking.drop(77)
    assert ranking.best(9).tolist() == [1, 2]
    assert ranking.best(1).tolist() == [1]
    assert ranking.best(0).tolist() == []
    assert ranking.best(9).dtype == np.int64
