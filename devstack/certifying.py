"""`clipmesh certs`: makes the certificates of a folder, or renews what is about to end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from devstack.certs import DAYS, CertsRefused, make_certs

COMMAND: Final = "certs"


def declare(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    certs = command(COMMAND, "make a private authority and a certificate for each process, or renew what is about to end")
    certs.add_argument("--days", type=int, default=DAYS, help=f"how long new certificates live (default: {DAYS})")
    certs.add_argument(
        "--hosts",
        metavar="HOST,HOST",
        help="further DNS names and IP addresses for whoever asks for a machine (default: those that are there)",
    )


def run(folder: Path, arguments: argparse.Namespace) -> int:
    """Make them and say what became of each; 0 when all stand, 1 when they cannot be made."""
    certs = folder / "run" / "certs"
    hosts = None if arguments.hosts is None else [host.strip() for host in arguments.hosts.split(",") if host.strip()]
    try:
        made = make_certs(certs, days=arguments.days, hosts=hosts)
    except CertsRefused as refusal:
        print(f"clipmesh: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"clipmesh: {error.filename or certs} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    for one in made:
        print(f"{one.process:<10} {'new ' if one.new else 'kept'} until {one.ends_at:%Y-%m-%d %H:%M} UTC")
    print(f"In {certs}; ca.key signs new ones and is needed by no process: keep it where nothing serves.")
    return 0
