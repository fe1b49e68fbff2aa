"""The `clipmesh` command: up, demo, status, jobs, dead-letters, rewind, rebuild, doctor."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from devstack import demo, doctor, jobs, mending, status, up
from devstack.engines import REBUILDS, Engines, check_engines, refuse_rebuild
from devstack.layout import Layout
from devstack.system import StartRefused


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers: 1 to 64")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipmesh", description="An open short-video platform on one machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.add_argument("--folder", type=Path, default=Path(".clipmesh"), help="where everything is kept (default: .clipmesh)")
        return sub

    for name, text in (("up", "start the whole system and keep it running"), ("demo", "start it, fill it with people and clips, watch")):
        sub = command(name, text)
        sub.add_argument("--port", type=_port, default=8080, help="port of the gateway on 127.0.0.1 (default: 8080)")
        sub.add_argument("--workers", type=_count, default=1, help="media workers (default: 1)")
        sub.add_argument(
            "--engines",
            choices=[*Engines],
            default=Engines.EMBEDDED,
            help="distributed takes the stores' URLs from the environment (default: embedded)",
        )
        if name == "demo":
            sub.add_argument("--videos", type=Path, metavar="DIR", help="use the video files of a folder instead of generated clips")
            sub.add_argument("--exit", action="store_true", help="check the result as a client would, stop, and say 0 or 1")
            sub.add_argument("--json", action="store_true", help="print the summary for machines")
    sub = command("status", "show each process, store, lag and queue of a running system")
    sub.add_argument("--json", action="store_true", help="print it for machines")
    jobs.declare(command)
    mending.declare(command)
    sub = command("rebuild", "make a derived store anew from the truth")
    sub.add_argument("store", choices=[*REBUILDS])
    command("doctor", "say what is missing on this machine and how to get it")
    return parser


def main() -> None:
    """Entry point of the `clipmesh` script; exit status 0 good, 1 failed, 2 refused to start."""
    arguments = _parser().parse_args()
    folder: Path = arguments.folder.resolve()
    try:
        check_engines(Engines(getattr(arguments, "engines", Engines.EMBEDDED)), os.environ)
        match arguments.command:
            case "up":
                code = asyncio.run(up.run(Layout(folder=folder, port=arguments.port), workers=arguments.workers))
            case "demo":
                options = demo.Options(
                    videos=arguments.videos, exit_after=arguments.exit, as_json=arguments.json, workers=arguments.workers
                )
                code = asyncio.run(demo.run(Layout(folder=folder, port=arguments.port), options))
            case command if command in mending.COMMANDS:
                code = asyncio.run(mending.run(folder, arguments))
            case jobs.COMMAND:
                code = asyncio.run(jobs.run(folder, arguments))
            case "status":
                code = asyncio.run(status.run(folder, as_json=arguments.json))
            case "rebuild":
                refuse_rebuild(arguments.store)
            case _:
                code = doctor.run()
    except StartRefused as refusal:
        print(f"clipmesh: {refusal}", file=sys.stderr)
        code = 2
    except demo.DemoFailed as failure:
        print(f"clipmesh: {failure}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
