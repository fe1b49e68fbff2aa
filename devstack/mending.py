"""`clipmesh dead-letters` and `clipmesh rewind`: what consumers gave up on, and letting them read again."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from clipmesh.common.v1 import operator_service_pb2 as pb
from rich.console import Console

from devstack.layout import SERVICES
from devstack.operating import NothingRuns, Operating, operator_channels
from mesh.client import RpcFailed

COMMANDS: Final = ("dead-letters", "rewind")
_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def moment(text: str) -> int:
    """Milliseconds since the Unix epoch of `oldest` (0), `90m` (ago; s, m, h, d) or an ISO 8601 time, UTC unless it says otherwise."""
    if text == "oldest":
        return 0
    if ago := _AGO.fullmatch(text):
        return max(0, int(time.time() * 1_000) - int(ago[1]) * _UNIT_MS[ago[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or (at_ms := round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment: oldest, 90m, 2h, 3d (ago) or 2026-01-31T08:00")
    return at_ms


def declare(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the commands to a parser."""
    letters = command("dead-letters", "list or replay the events that consumers gave up on")
    letters.add_argument(
        "act", nargs="?", choices=("list", "replay"), default="list", help="list them (the default), or let the consumer try again"
    )
    letters.add_argument("group", nargs="?", default="", help="consumer group, as `list` names it; every group without")
    letters.add_argument("event", nargs="?", type=int, default=0, help="event id; every dead letter of the group without")
    letters.add_argument("--json", action="store_true", help="print it for machines")
    rewind = command("rewind", "let a consumer group read its events again; what it knows already changes nothing")
    rewind.add_argument("service", choices=SERVICES)
    rewind.add_argument("group", help="consumer group, with or without the name of its service")
    rewind.add_argument("--to", type=moment, required=True, metavar="WHEN", help="oldest, 90m, 2h, 3d (ago) or 2026-01-31T08:00 (UTC)")


async def run(folder: Path, arguments: argparse.Namespace) -> int:
    """Do what the command line says; 0 when all of it worked, 1 when something failed, 2 when nothing runs."""
    try:
        if arguments.command == "rewind":
            return await rewind(folder, service=arguments.service, group=arguments.group, to_ms=arguments.to)
        if arguments.act == "replay":
            return await replay(folder, group=arguments.group, event_id=arguments.event)
        return await show(folder, group=arguments.group, as_json=arguments.json)
    except NothingRuns as error:
        print(f"clipmesh: {error}", file=sys.stderr)
        return 2
    except RpcFailed as error:
        _complain(error)
        return 1


async def _letters(folder: Path, group: str) -> tuple[list[pb.DeadLetter], int]:
    """The letters of one group or of all, and how many services did not tell theirs, which is said at once."""
    found: list[pb.DeadLetter] = []
    silent = 0
    async with operator_channels(folder) as channels:
        for service in _services(group):
            operating = Operating(channels, service)
            try:
                names = [group] if group else [one.group for one in await operating.groups() if one.dead_letters]
                for name in names:
                    found += await operating.letters(name)
            except RpcFailed as error:
                silent += 1
                _complain(error)
    return found, silent


def _complain(error: RpcFailed) -> None:
    print(f"clipmesh: {error.service}: {error.message or error.reason}", file=sys.stderr)


def _services(group: str) -> Sequence[str]:
    if not group:
        return SERVICES
    service = group.partition(".")[0]
    if service not in SERVICES:
        raise RpcFailed(f"{group!r} names no service; groups are called SERVICE.CONSUMER", service="clipmesh")
    return (service,)


async def show(folder: Path, *, group: str, as_json: bool) -> int:
    """Print the dead letters of one group or of all."""
    letters, silent = await _letters(folder, group)
    if as_json:
        print(json.dumps([_as_json(letter) for letter in letters], indent=1))
        return 1 if silent else 0
    console = Console(highlight=False)
    for letter in letters:
        kind = letter.type.rpartition(".")[2]
        console.print(f"{letter.group} [bold]{letter.event_id}[/bold] {letter.topic} {kind} of {letter.key}", soft_wrap=True)
        when = datetime.fromtimestamp(letter.died_at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        console.print(f"  [red]{letter.reason}[/red] after {letter.attempts} attempts, {when} UTC", soft_wrap=True)
        console.print(f"  {letter.detail}", style="dim", markup=False, soft_wrap=True)
    console.print(f"{len(letters)} dead letters{'; mend the cause, then: clipmesh dead-letters replay' if letters else ''}")
    return 1 if silent else 0


def _as_json(letter: pb.DeadLetter) -> dict[str, Any]:
    return {field.name: getattr(letter, field.name) for field in pb.DeadLetter.DESCRIPTOR.fields}


async def replay(folder: Path, *, group: str, event_id: int) -> int:
    """Let consumers try again, in the order of the events; 1 when one of them failed again."""
    letters, silent = await _letters(folder, group)
    if silent and group:
        return 1
    if event_id:
        letters = [letter for letter in letters if letter.event_id == event_id]
        if not letters:
            raise RpcFailed(f"{group} has no dead letter {event_id}", service=group.partition(".")[0])
    failed = 0
    letters.sort(key=lambda letter: letter.event_id)
    async with operator_channels(folder) as channels:
        for letter in letters:
            try:
                await Operating(channels, letter.group.partition(".")[0]).replay(letter.group, letter.event_id)
                print(f"{letter.group} {letter.event_id} replayed")
            except RpcFailed as error:
                failed += 1
                print(f"{letter.group} {letter.event_id} {error.reason}: {error.message}", file=sys.stderr)
    print(f"{len(letters) - failed} of {len(letters)} replayed")
    return 1 if failed or silent else 0


async def rewind(folder: Path, *, service: str, group: str, to_ms: int) -> int:
    """Let a group read again."""
    name = group if group.startswith(f"{service}.") else f"{service}.{group}"
    async with operator_channels(folder) as channels:
        operating = Operating(channels, service)
        # What the stream has forgotten comes first; what both have changes nothing the second time.
        archived = sum([events async for events in operating.replay_archive(name, to_ms)])
        topics = await operating.rewind(name, to_ms)
    print(f"{name} took {archived} events from the archive and reads {', '.join(topics)} again")
    return 0
