"""The `clipmesh` command: up, demo, servers, status, jobs, dead-letters, rewind, rebuild, certs, bench, doctor."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from devstack import certifying, demo, doctor, jobs, mending, status, up
from devstack.engines import HOW, REBUILDS, Engines, chosen, refuse_rebuild
from devstack.layout import Layout
from devstack.servers import command as servers
from devstack.servers.refusals import ServerRefused
from devstack.system import StartRefused
from mesh.tls import InvalidTls


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
        sub.add_argument("--engines", choices=[*Engines], help=HOW)
        sub.add_argument(
            "--tls", action="store_true", help="services speak over ports of 127.0.0.1 under certificates instead of unix sockets"
        )
        if name == "demo":
            sub.add_argument("--videos", type=Path, metavar="DIR", help="use the video files of a folder instead of generated clips")
            sub.add_argument("--exit", action="store_true", help="check the result as a client would, stop, and say 0 or 1")
            sub.add_argument("--json", action="store_true", help="print the summary for machines")
    servers.declare(command)
    sub = command("status", "show each process, store, lag and queue of a running system")
    sub.add_argument("--json", action="store_true", help="print it for machines")
    jobs.declare(command)
    certifying.declare(command)
    mending.declare(command)
    sub = command("rebuild", "make a derived store anew from the truth")
    sub.add_argument("store", choices=[*REBUILDS])
    bench = "measure ours and a plain way of doing the same in turns, and print the ratios"
    sub = commands.add_parser("bench", help=bench, description=bench)
    sub.set_defaults(folder=Path())
    sub.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all; a wrong name lists them)")
    sub.add_argument("--json", action="store_true", help="print it for machines")
    sub.add_argument("--quick", action="store_true", help="once and small: shows that they work, the figures say nothing")
    sub.add_argument("--long", action="store_true", help="also what takes up to an hour")
    command("doctor", "say what is missing on this machine and how to get it")
    return parser


def _layout(folder: Path, arguments: argparse.Namespace) -> Layout:
    engines = Engines(arguments.engines) if arguments.engines else None
    return Layout(folder=folder, port=arguments.port, tls=arguments.tls, stores=chosen(engines, os.environ))


def main() -> None:
    """Entry point of the `clipmesh` script; exit status 0 good, 1 failed, 2 refused to start."""
    arguments = _parser().parse_args()
    folder: Path = arguments.folder.resolve()
    try:
        match arguments.command:
            case "up":
                code = asyncio.run(up.run(_layout(folder, arguments), workers=arguments.workers))
            case "demo":
                options = demo.Options(
                    videos=arguments.videos, exit_after=arguments.exit, as_json=arguments.json, workers=arguments.workers
                )
                code = asyncio.run(demo.run(_layout(folder, arguments), options))
            case servers.COMMAND:
                code = servers.run(folder, arguments)
            case command if command in mending.COMMANDS:
                code = asyncio.run(mending.run(folder, arguments))
            case jobs.COMMAND:
                code = asyncio.run(jobs.run(folder, arguments))
            case certifying.COMMAND:
                code = certifying.run(folder, arguments)
            case "status":
                code = asyncio.run(status.run(folder, as_json=arguments.json))
            case "rebuild":
                refuse_rebuild(arguments.store)
            case "bench":
                from bench import command  # noqa: PLC0415 it imports everything, which no other command needs

                code = command.run(arguments.names, as_json=arguments.json, quick=arguments.quick, long=arguments.long)
            case _:
                code = doctor.run()
    except (StartRefused, ServerRefused, InvalidTls) as refusal:
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
