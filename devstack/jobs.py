"""`clipmesh jobs`: the videos that processing gave up, and another try for them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from clipmesh.video.v1 import job_service_pb2 as pb
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub
from rich.console import Console

from devstack.operating import ASK_S, MEND_S, NothingRuns, operator_channels
from mesh import deadline
from mesh.client import RpcFailed
from mesh.errors import NotFound

COMMAND: Final = "jobs"


def video_id(text: str) -> int:
    """The id of a video."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a video")
    return int(text)


def declare(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    jobs = command(COMMAND, "list the videos that processing gave up, or have them made once more")
    jobs.add_argument("act", nargs="?", choices=("list", "redo"), default="list", help="list them (the default), or try again")
    jobs.add_argument("video", nargs="*", type=video_id, help="which to make once more; all that are listed without")
    # It takes the videos behind it too: what stands before an option ends what can be named by place.
    jobs.add_argument(
        "--whole",
        nargs="*",
        type=video_id,
        metavar="VIDEO",
        help="with redo: make the named clips anew as a whole though they play, for objects that were lost",
    )
    jobs.add_argument("--json", action="store_true", help="print the list for machines")


async def run(folder: Path, arguments: argparse.Namespace) -> int:
    """Do what the command line says; 0 when all of it worked, 1 when something failed, 2 when nothing runs or it says too little."""
    whole, videos = arguments.whole is not None, [*arguments.video, *(arguments.whole or ())]
    if whole and not (arguments.act == "redo" and videos):
        print("clipmesh: --whole needs redo and the videos", file=sys.stderr)
        return 2
    try:
        async with operator_channels(folder) as channels:
            stub = channels.stub(JobServiceStub, "video")
            if arguments.act == "redo":
                return await redo(stub, videos, whole=whole)
            return await show(stub, as_json=arguments.json)
    except NothingRuns as error:
        print(f"clipmesh: {error}", file=sys.stderr)
        return 2
    except RpcFailed as error:
        print(f"clipmesh: {error.service}: {error.message or error.reason}", file=sys.stderr)
        return 1


async def dead_videos(stub: JobServiceStub) -> list[pb.DeadVideo]:
    """All of them, the longest dead first."""
    found: list[pb.DeadVideo] = []
    token = ""
    with deadline.scope(ASK_S):
        while True:
            page = await stub.ListDeadVideos(pb.ListDeadVideosRequest(page_token=token))
            found += page.videos
            token = page.next_page_token
            if not token:
                return sorted(found, key=lambda video: (video.died_at_ms, video.video_id))


async def show(stub: JobServiceStub, *, as_json: bool) -> int:
    """Print the dead videos."""
    videos = await dead_videos(stub)
    if as_json:
        print(json.dumps([_as_json(video) for video in videos], indent=1))
        return 0
    console = Console(highlight=False)
    for video in videos:
        lack = "plays, lacks further renditions" if video.plays else "does not play"
        console.print(f"[bold]{video.video_id}[/bold] {video.job_key}, {lack}", soft_wrap=True)
        when = datetime.fromtimestamp(video.died_at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        console.print(f"  [red]{video.reason}[/red] after {video.attempts} attempts, {when} UTC", soft_wrap=True)
        console.print(f"  {video.detail.strip()}", style="dim", markup=False, soft_wrap=True)
    console.print(f"{len(videos)} videos given up{'; mend the cause, then: clipmesh jobs redo' if videos else ''}")
    return 0


async def redo(stub: JobServiceStub, video_ids: Sequence[int], *, whole: bool = False) -> int:
    """Have videos made once more, all dead ones where none is named, clips that play as a whole; 1 when one of them cannot be."""
    chosen = list(video_ids) or [video.video_id for video in await dead_videos(stub)]
    refused = 0
    for chosen_id in chosen:
        try:
            with deadline.scope(MEND_S):
                await stub.RedoVideo(pb.RedoVideoRequest(video_id=chosen_id, whole=whole))
        except NotFound:
            refused += 1
            problem = "does not play, is being made" if whole else "is not dead"
            print(f"{chosen_id} {problem}, or its file is gone", file=sys.stderr)
        else:
            print(f"{chosen_id} is made once more")
    print(f"{len(chosen) - refused} of {len(chosen)} under way")
    return 1 if refused else 0


def _as_json(video: pb.DeadVideo) -> dict[str, Any]:
    return {field.name: getattr(video, field.name) for field in pb.DeadVideo.DESCRIPTOR.fields}
