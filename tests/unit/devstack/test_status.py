"""`clipmesh status` shows each process, store and consumer group, and what waits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from devstack.looking import LetterCount, ProcessStatus, Samples, StoreStatus, SystemStatus, numbers_of, stores_of
from devstack.refusals import BreakerStatus, Overload, breakers_of, overload_of
from devstack.signs import SIGNS, signs_of
from devstack.status import as_document, show
from devstack.streams import GroupLag
from devstack.troubles import troubles_of

PAGES: dict[str, Samples] = {
    "video": {
        "clipmesh_dependency_up": [({"dependency": "tables"}, 1.0), ({"dependency": "redis"}, 0.0), ({"dependency": "stream"}, 0.0)],
        "clipmesh_outbox_age_seconds": [({}, 75.0)],
        "clipmesh_store_breaker_state": [({"store": "tables", "lane": "read"}, 0.0), ({"store": "tables", "lane": "write"}, 2.0)],
        "clipmesh_store_breaker_away_seconds": [({"store": "tables", "lane": "read"}, 0.0), ({"store": "tables", "lane": "write"}, 12.4)],
        "clipmesh_store_refused_total": [
            ({"store": "tables", "lane": "write", "why": "open"}, 341.0),
            ({"store": "tables", "lane": "write", "why": "full"}, 5.0),
        ],
        "clipmesh_rpc_client_share": [({"service": "social"}, 0.4), ({"service": "rights"}, 1.0)],
        "clipmesh_video_jobs_open": [({"kind": "first"}, 2.0), ({"kind": "further"}, 1.0)],
        "clipmesh_video_missing_bytes": [({"what": "SOURCE_LOST"}, 0.0), ({"what": "PLAYBACK_LOST"}, 2.0)],
        "clipmesh_video_sweep_held": [({"way": "bucket"}, 1.0), ({"way": "rows"}, 0.0)],
        "clipmesh_archive_age_seconds": [({}, 3_600.0)],
    },
    "feed": {
        "clipmesh_dependency_up": [({"dependency": "tables"}, 1.0), ({"dependency": "redis"}, 1.0), ({"dependency": "stream"}, 1.0)],
        "clipmesh_store_breaker_state": [({"store": "redis", "lane": "read"}, 1.0)],
        "clipmesh_store_breaker_away_seconds": [({"store": "redis", "lane": "read"}, 3.0)],
        "clipmesh_limiter_waiting": [({}, 17.0)],
        "clipmesh_archive_age_seconds": [({}, 3_601.0)],
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
    numbers=numbers_of(PAGES, GROUPS, LETTERS, 2),
    breakers=breakers_of(PAGES),
    overload=overload_of(PAGES),
    signs=[*signs_of(PAGES)],
    keepers={"tables": "scylla://one/clipmesh", "blobs": "embedded", "events": "embedded"},
)


def test_a_store_is_down_for_those_who_do_not_reach_it() -> None:
    assert stores_of(PAGES) == [
        StoreStatus("redis", ("feed",), ("video",)),
        StoreStatus("stream", ("feed",), ("video",)),
        StoreStatus("tables", ("feed", "video"), ()),
        StoreStatus("video", ("worker-1",), ()),
    ]
    assert not STATUS.good
    assert not replace(STATUS, stores=stores_of({"feed": PAGES["feed"]})).good
    assert replace(STATUS, stores=stores_of({"feed": PAGES["feed"]}), breakers=()).good


def test_each_number_says_when_nobody_knows_it() -> None:
    assert [(number.value, number.detail) for number in STATUS.numbers] == [
        (75, ""),
        (7, ""),
        (3, ""),
        (3, "first 2, further 1"),
        (2, ""),
    ]
    unknown = numbers_of(PAGES, None, None, None)
    assert [(number.value, number.detail) for number in unknown if number.value < 0] == [
        (-1, "the stream does not answer"),
        (-1, "a service does not answer"),
        (-1, "video does not answer"),
    ]
    assert [trouble.what for trouble in troubles_of(replace(STATUS, numbers=unknown)) if "given up" in trouble.what] == []


def test_people_and_machines_are_told_the_same() -> None:
    written = io.StringIO()
    show(STATUS, Path("/data"), Console(file=written, width=100, highlight=False))
    words = [line.split() for line in written.getvalue().splitlines()]
    for line in (
        "tables: scylla://one/clipmesh",
        "blobs, events: embedded",
        "video serves 11 80 MiB 0 without redis",
        "redis down for video",
        "stream down for video",
        "tables up for feed, video",
        "feed.videos video 7 12.5 s",
        "sound.uses video 0",
        "breakers closed 1 of 3, 341 calls refused in their lives",
        "breaker probing feed: redis reads, 3 s, 0 calls refused",
        "breaker open video: tables writes, 12 s, 341 calls refused",
        "overload waits 17 calls wait in feed",
        "overload held back video sends 40% to social",
        "75 s age of the oldest event that waits for the stream",
        "3 dead letters",
        "3 feed.videos: VideoPublished on video, HANDLER_TIMED_OUT",
        "3 media jobs that wait for a worker (first 2, further 1)",
        "2 clips that processing gave up",
    ):
        assert line.split() in words, written.getvalue()
    document = json.loads(json.dumps(as_document(STATUS)))
    assert document["ok"] is False
    assert document["keepers"] == STATUS.keepers
    assert document["stores"][0] == {"name": "redis", "up_for": ["feed"], "down_for": ["video"]}
    assert document["groups"][0] == {"group": "feed.videos", "topics": ["video"], "waiting": 7, "oldest_ms": 12_500}
    assert document["dead_letters"][0]["reason"] == "HANDLER_TIMED_OUT"
    assert document["numbers"]["dead letters"] == 3
    assert document["breakers"][-1] == {
        "process": "video",
        "store": "tables",
        "lane": "write",
        "state": "open",
        "away_s": 12.4,
        "refused": 341,
    }
    assert document["overload"] == [
        {"process": "feed", "service": "", "share": 1.0, "waiting": 17},
        {"process": "video", "service": "social", "share": 0.4, "waiting": 0},
    ]
    assert [trouble["what"] for trouble in document["troubles"]] == [trouble.what for trouble in troubles_of(STATUS)]


def test_breakers_and_overload_are_read_from_the_pages_of_processes() -> None:
    assert breakers_of(PAGES) == [
        BreakerStatus("feed", "redis", "read", "probing", 3.0, 0),
        BreakerStatus("video", "tables", "read", "closed", 0.0, 0),
        BreakerStatus("video", "tables", "write", "open", 12.4, 341),
    ]
    assert overload_of(PAGES) == [Overload("feed", "", 1.0, 17), Overload("video", "social", 0.4, 0)]
    assert (breakers_of({"redis": {}}), overload_of({"redis": {}})) == ([], [])


def test_what_is_not_well_stands_first_with_what_to_do() -> None:
    written = io.StringIO()
    show(STATUS, Path("/data"), Console(file=written, width=100, highlight=False))
    lines = written.getvalue().splitlines()
    told = [trouble.what for trouble in troubles_of(STATUS)]
    assert told == [
        "redis is down for video",
        "feed makes no reads on redis, 3 s now, 0 calls refused",
        "video makes no writes on tables, 12 s now, 341 calls refused",
        "17 calls wait in feed",
        "video sends 40% of its calls to social",
        "events wait 75 s for the stream",
        "3 effects are missing",
        "2 clips were given up",
        "2 clips lack bytes in the store of objects (PLAYBACK_LOST)",
        "video cleans nothing up: tables and objects are not of one system (bucket)",
        "feed archived nothing for 3601 s",
    ]
    begin = lines.index(told[0])
    assert lines[begin : begin + 2 * len(told) : 2] == told
    assert all(line.startswith("    ") for line in lines[begin + 1 : begin + 2 * len(told) : 2])
    assert lines.index("") == begin + 2 * len(told)


def test_a_system_that_is_well_says_so_in_one_line_and_in_one_line_per_thing() -> None:
    well = replace(
        STATUS,
        processes=[STATUS.processes[1]],
        stores=stores_of({"feed": PAGES["feed"]}),
        groups=[GROUPS[1]],
        letters=[],
        numbers=[],
        breakers=[BreakerStatus("feed", "tables", "read", "closed", 0.0, 0)],
        overload=[],
        signs=[],
    )
    assert troubles_of(well) == []
    written = io.StringIO()
    show(well, Path("/data"), Console(file=written, width=100, highlight=False))
    words = [line.split() for line in written.getvalue().splitlines()]
    assert ["all", "is", "well"] in words
    assert ["breakers", "closed", "1", "of", "1"] in words
    assert ["overload", "none", "every", "call", "is", "made", "and", "taken", "at", "once"] in words


def test_processes_that_are_down_are_one_trouble_and_a_late_group_is_one() -> None:
    dead = [replace(process, alive=False, serves=False) for process in STATUS.processes]
    status = replace(STATUS, processes=dead, stores=[], breakers=[], overload=[], letters=[], numbers=[], signs=[])
    assert [trouble.what for trouble in troubles_of(status)] == ["video, feed are down"]
    late = replace(
        STATUS,
        stores=[],
        breakers=[],
        overload=[],
        letters=[],
        numbers=[],
        signs=[],
        groups=[GroupLag("feed.videos", ("video",), 7, 61_000)],
    )
    assert [trouble.what for trouble in troubles_of(late)] == ["feed.videos is 61 s behind, 7 events"]


def test_signs_speak_with_the_labels_that_their_gauges_have() -> None:
    for sign in SIGNS:
        (trouble,) = signs_of({"video-2": {f"clipmesh_{sign.metric.name}": [(dict.fromkeys(sign.metric.labels, "x"), sign.most + 1)]}})
        assert "{" not in trouble.what + trouble.todo
        assert [*signs_of({"video-2": {f"clipmesh_{sign.metric.name}": [(dict.fromkeys(sign.metric.labels, "x"), sign.most)]}})] == []
