"""The rules of uploads, object keys and settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.settings import InvalidSetting, read
from svc_video.layout import TAILS_PREFIX, raw_key, tail_key, video_of_key, video_of_raw_key, video_prefix
from svc_video.lengths import LONGEST_MS, SHORTEST_MS, TOLERANCE_MS
from svc_video.settings import VideoSettings
from svc_video.uploads.errors import DailyLimitExceeded, DurationTooLong, DurationTooShort, FileTooLarge, PartOutOfRange, TooManyOpenUploads
from svc_video.uploads.rules import (
    Declared,
    Limits,
    check_declared,
    open_ids,
    part_count,
    part_size,
    released,
    reserved,
    whole_parts,
    without_stale,
)
from svc_video.uploads.tables import Upload, UploadKind, UploadQuota

LIMITS = Limits(open=2, daily=3)
NOW_MS = 1_760_000_000_000
DAY_MS = 86_400_000
ENVIRONMENT = {"CLIPMESH_SECRETS": "s", "CLIPMESH_TABLES": "t", "CLIPMESH_BLOBS": "b", "CLIPMESH_REDIS": "r"}


def test_the_numbers_are_those_of_the_specification() -> None:
    limits = read(VideoSettings, ENVIRONMENT).limits
    assert limits == Limits()
    assert (limits.max_bytes, limits.part_bytes, limits.daily, limits.open) == (4 * 1024**3, 8 * 1024**2, 30, 5)
    assert (limits.session_ms, SHORTEST_MS, LONGEST_MS) == (24 * 3_600_000, 15_000, 600_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPLOAD_PART_BYTES", "1000"),
        ("UPLOAD_OPEN_LIMIT", "0"),
        ("JOB_LEASE_MS", "0"),
        ("UPLOAD_MAX_BYTES", "much"),
    ],
)
def test_numbers_that_cannot_be_are_refused_at_start(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"CLIPMESH_{name}"):
        read(VideoSettings, ENVIRONMENT | {f"CLIPMESH_{name}": value})


@given(size_bytes=st.integers(1, 100_000), part_bytes=st.integers(10, 5_000))
def test_parts_make_up_the_file_exactly(size_bytes: int, part_bytes: int) -> None:
    count = part_count(size_bytes, part_bytes)
    upload = Upload(upload_id=1, size_bytes=size_bytes, part_size_bytes=part_bytes, part_count=count)
    sizes = [part_size(upload, number) for number in range(1, count + 1)]
    assert sum(sizes) == size_bytes
    assert all(size == part_bytes for size in sizes[:-1])
    assert 0 < sizes[-1] <= part_bytes
    for number in (0, -1, count + 1):
        with pytest.raises(PartOutOfRange):
            part_size(upload, number)


def test_the_largest_file_is_taken_and_one_byte_more_is_not() -> None:
    def declared(size_bytes: int) -> Declared:
        return Declared(size_bytes=size_bytes, mime_type="video/webm", duration_ms=0, width=0, height=0, sha256=b"", kind=UploadKind.VIDEO)

    check_declared(declared(4 * 1024**3), Limits())
    with pytest.raises(FileTooLarge) as refused:
        check_declared(declared(4 * 1024**3 + 1), Limits())
    assert refused.value.facts == {"size_bytes": 4 * 1024**3 + 1, "max_bytes": 4 * 1024**3}


@pytest.mark.parametrize(
    ("duration_ms", "refusal"),
    [
        (SHORTEST_MS - TOLERANCE_MS - 1, DurationTooShort),
        (SHORTEST_MS - TOLERANCE_MS, None),
        (14_967, None),
        (LONGEST_MS + TOLERANCE_MS, None),
        (LONGEST_MS + TOLERANCE_MS + 1, DurationTooLong),
    ],
)
def test_the_door_takes_every_length_that_the_probe_takes(duration_ms: int, refusal: type[Exception] | None) -> None:
    declared = Declared(size_bytes=1, mime_type="video/mp4", duration_ms=duration_ms, width=0, height=0, sha256=b"", kind=UploadKind.VIDEO)
    if refusal is None:
        check_declared(declared, LIMITS)
    else:
        with pytest.raises(refusal):
            check_declared(declared, LIMITS)


def test_quota_counts_ids_and_each_once() -> None:
    quota = UploadQuota(creator_id=1)
    for _ in range(2):
        quota = reserved(quota, 11, now_ms=NOW_MS, limits=LIMITS)
    quota = reserved(quota, 12, now_ms=NOW_MS, limits=LIMITS)
    assert open_ids(quota) == [11, 12]
    with pytest.raises(TooManyOpenUploads):
        reserved(quota, 13, now_ms=NOW_MS, limits=LIMITS)
    quota = released(quota, 11, gives_day_back=False)
    quota = reserved(quota, 13, now_ms=NOW_MS, limits=LIMITS)
    quota = released(quota, 12, gives_day_back=False)
    with pytest.raises(DailyLimitExceeded):
        reserved(quota, 14, now_ms=NOW_MS, limits=LIMITS)
    given_back = released(quota, 13, gives_day_back=True)
    assert open_ids(reserved(given_back, 14, now_ms=NOW_MS, limits=LIMITS)) == [14]
    tomorrow = reserved(quota, 14, now_ms=NOW_MS + DAY_MS, limits=LIMITS)
    assert (open_ids(tomorrow), tomorrow.day_ids) == ([13, 14], "14")


def test_a_place_is_as_old_as_its_last_reservation() -> None:
    quota = reserved(UploadQuota(creator_id=1), 11, now_ms=NOW_MS, limits=LIMITS)
    quota = reserved(quota, 12, now_ms=NOW_MS + 5, limits=LIMITS)
    renewed = reserved(quota, 11, now_ms=NOW_MS + 9, limits=LIMITS)
    assert open_ids(without_stale(quota, {11, 12}, taken_before_ms=NOW_MS + 5)) == [12]
    assert without_stale(quota, {12}, taken_before_ms=NOW_MS + 5) == quota
    assert (renewed.open_ids, renewed.day_ids) == (quota.open_ids, quota.day_ids)
    assert without_stale(renewed, {11}, taken_before_ms=NOW_MS + 9) == renewed
    gone = without_stale(renewed, {11, 12}, taken_before_ms=NOW_MS + 10)
    assert (gone.open_ids, gone.reserved_at_ms, gone.day_ids) == ("", "", "")


def test_a_raw_key_tells_its_video_and_no_other_key_does() -> None:
    video_id = 235_000_000_000_000_000
    key = raw_key(video_id)
    assert video_of_raw_key(key) == video_id
    assert video_prefix(video_id) == f"video/{video_id}/"
    for other in (
        f"raw/2001/01/01/{video_id}",
        f"raw/{video_id}",
        key + "x",
        "raw/2025/10/09/-1",
        "raw/2025/10/09/",
        "raw/1/2/3/" + "9" * 30,
        "raw/x/²",
    ):
        assert video_of_raw_key(other) is None


def test_a_key_tells_its_video_and_no_other_key_does() -> None:
    video_id = 235_000_000_000_000_000
    assert video_of_key(TAILS_PREFIX, tail_key(video_id, 7)) == video_id
    assert video_of_key("work/", f"work/{video_id}/a/b") == video_id
    for other in (
        f"work/{video_id}",
        f"work/0{video_id}/a",
        "work/-1/a",
        "work//a",
        "work/0/a",
        f"work/{9:0>30}/a",
        "work/²/a",
        f"work/{2**63}/a",
    ):
        assert video_of_key("work/", other) is None
    assert video_of_key("work/", f"video/{video_id}/a") is None


def test_whole_parts_are_those_from_the_first_one_on_in_their_exact_size() -> None:
    upload = Upload(upload_id=1, size_bytes=25, part_size_bytes=10, part_count=3)
    assert [whole_parts(upload, sizes) for sizes in ({}, {2: 10, 3: 5}, {1: 10, 3: 5}, {1: 10, 2: 9}, {1: 10, 2: 10, 3: 10})] == [
        0,
        0,
        1,
        1,
        2,
    ]
    assert whole_parts(upload, {1: 10, 2: 10, 3: 5}) == 3
