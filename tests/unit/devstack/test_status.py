"""`clipmesh status` shows each process, store and consumer group, and what waits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from devstack.looking import LetterCount, ProcessStatus, Samples, StoreStatus, SystemStatus, numbers_of, stores_of
from devstack.status import as_document, show
from devstack.streams import GroupLag

PAGES: dict[str, Samples] = {
    "video": {
        "clipmesh_dependency_up": [({"dependency": "tables"}, 1.0), ({"dependency": "redis"}, 0.0)],
        "clipmesh_outbox_stream_away": [({}, 1.0)],
        "clipmesh_outbox_age_seconds": [({}, 75.0)],
        "clipmesh_video_jobs_open": [({"kind": "first"}, 2.0), ({"kind": "further"}, 1.0)],
    },
    "feed": {
        "clipmesh_dependency_up": [({"dependency": "tables"}, 1.0), ({"dependency": "redis"}, 1.0)],
        "clipmesh_outbox_stream_away": [({}, 0.0)],
    },
    "worker-1": {"clipmesh_dependency_up": [({"dependency": "video"}, 1.0)]},
    "redis": {},
}
GROUPS = [GroupLag("feed.videos", ("video",), 7, 12_500), GroupLag("sound.uses", ("video",), 0, 0)]
LETTERS = [LetterCount("feed.videos", "video", "clipmesh.video.v1.VideoPublished", "HANDLER_TIMED_OUT", 3)]
STATUS = SystemStatus(
    origin="http://127.0.0.1:8080",
    processes=[ProcessStatus("video", 11, True, True, 0, 80, ("redis",)), ProcessStatus("feed", 12, True, True, 2, 90)],
    stores=stores_of(PAGES),
    groups=GROUPS,
    letters=LETTERS,
    numbers=numbers_of(PAGES, GROUPS, LETTERS),
)


def test_a_store_is_down_for_those_who_do_not_reach_it() -> None:
    assert stores_of(PAGES) == [
        StoreStatus("redis", ("feed",), ("video",)),
        StoreStatus("stream", ("feed",), ("video",)),
        StoreStatus("tables", ("feed", "video"), ()),
        StoreStatus("video", ("worker-1",), ()),
    ]
    assert not STATUS.good
    assert replace(STATUS, stores=stores_of({"feed": PAGES["feed"]})).good


def test_each_number_says_when_nobody_knows_it() -> None:
    assert [(number.value, number.detail) for number in STATUS.numbers] == [(75, ""), (7, ""), (3, ""), (3, "first 2, further 1")]
    unknown = numbers_of(PAGES, None, None)
    assert [(number.value, number.detail) for number in unknown[1:3]] == [
        (-1, "the stream does not answer"),
        (-1, "a service does not answer"),
    ]


def test_people_and_machines_are_told_the_same() -> None:
    written = io.StringIO()
    show(STATUS, Path("/data"), Console(file=written, width=100, highlight=False))
    words = [line.split() for line in written.getvalue().splitlines()]
    for line in (
        "video serves 11 80 MiB 0 without redis",
        "redis down for video",
        "stream down for video",
        "tables up for feed, video",
        "feed.videos video 7 12.5 s",
        "sound.uses video 0",
        "75 s age of the oldest event that waits for the stream",
        "3 dead letters",
        "3 feed.videos: VideoPublished on video, HANDLER_TIMED_OUT",
        "3 media jobs that wait for a worker (first 2, further 1)",
    ):
        assert line.split() in words, written.getvalue()
    document = json.loads(json.dumps(as_document(STATUS)))
    assert document["ok"] is False
    assert document["stores"][0] == {"name": "redis", "up_for": ["feed"], "down_for": ["video"]}
    assert document["groups"][0] == {"group": "feed.videos", "topics": ["video"], "waiting": 7, "oldest_ms": 12_500}
    assert document["dead_letters"][0]["reason"] == "HANDLER_TIMED_OUT"
    assert document["numbers"]["dead letters"] == 3
