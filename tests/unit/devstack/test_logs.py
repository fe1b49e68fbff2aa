"""Logs as a person reads them."""

from __future__ import annotations

import json
from pathlib import Path

from devstack import logs


def test_lines_since_a_moment_are_told_once_each_in_words(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    assert (logs.size(log), logs.tail(log, 0)) == (0, "")
    log.write_text("an old line\n")
    since = logs.size(log)
    failed = {"level": "ERROR", "message": "the process failed", "exception": {"type": "builtins.ValueError", "message": "no"}}
    with log.open("a") as file:
        file.write("plain words\n")
        for _ in range(3):
            file.write(json.dumps(failed) + "\n")
        file.write('[1, 2]\n{"level": 3}\n')
    assert logs.tail(log, since).splitlines() == [
        "  plain words",
        "  ERROR the process failed: ValueError: no",
        "  [1, 2]",
        '  {"level": 3}',
    ]
    assert logs.tail(log, since, lines=1) == '  {"level": 3}'


def test_why_a_process_does_not_start_is_the_last_error_that_it_told_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    assert logs.refusal(log, 0) == ""
    log.write_text(json.dumps({"level": "ERROR", "message": "of an earlier start"}) + "\n")
    since = logs.size(log)
    assert logs.refusal(log, since) == ""
    told = [{"level": "ERROR", "message": "first"}, {"level": "ERROR", "message": "a store\nis wrong"}, {"level": "INFO", "message": "bye"}]
    with log.open("a") as file:
        file.write("".join(json.dumps(one) + "\n" for one in told) + '[1]\n{"level": 3}\nplain words\n')
    assert logs.refusal(log, since) == "a store is wrong"
