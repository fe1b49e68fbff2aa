"""What a demo uploads, and what it remembers of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.sources import NoVideos, Uploaded, file_sources, generated_sources


def test_files_of_a_folder_are_taken_in_order_and_others_left(tmp_path: Path) -> None:
    for name in ("b_second-take.MOV", "a.mp4", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"123")
    (tmp_path / "folder.mp4").mkdir()
    sources = file_sources(tmp_path)
    assert [(source.label, source.creator, source.caption) for source in sources] == [
        ("a.mp4", "alice", "a"),
        ("b_second-take.MOV", "bob", "b second take"),
    ]
    assert [source.request_id for source in sources] == ["demo-a.mp4-3", "demo-b_second-take.MOV-3"]


def test_a_folder_without_videos_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(NoVideos, match=r"has no file that ends in .avi, .m4v, .mkv"):
        file_sources(tmp_path)
    with pytest.raises(NoVideos, match="is no folder"):
        file_sources(tmp_path / "gone")


def test_generated_clips_differ_and_are_the_same_every_time(tmp_path: Path) -> None:
    sources = generated_sources(tmp_path / "clips")
    assert len({source.label for source in sources}) == len(sources) == 8
    assert {source.creator for source in sources} == {"alice", "bob", "carla"}
    assert generated_sources(tmp_path / "clips") == sources


def test_uploads_are_remembered_over_runs(tmp_path: Path) -> None:
    source, other = generated_sources(tmp_path / "clips")[:2]
    Uploaded(tmp_path / "demo.json").note(source, "17")
    again = Uploaded(tmp_path / "demo.json")
    assert (again.get(source), again.get(other)) == ("17", "")
