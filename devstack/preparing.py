"""`python -m devstack.preparing deploy`: makes what the containers of deploy/compose.yaml have to be given. Safe to repeat.

These are keys, certificates and passwords. Each process gets a folder of its own below `secrets`, with its keys and its certificate and nobody else's. What is there is kept, for rows are
sealed with the keys; certificates are renewed in the last third of their 30 days, and running processes take the new ones up: run it once a week.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Final

from devstack.certs import CertsRefused, files_of, make_certs
from devstack.keys import PROCESSES, BrokenKeys, make_keys

PASSWORDS: Final = ("CLIPMESH_S3_SECRET", "CLIPMESH_REDIS_PASSWORD")
STRANGER: Final = 10_001
"""Whom the containers run as when root prepares: no process of ours is root anywhere."""


def prepare(folder: Path) -> None:
    """Make what is missing below `folder`. Raises BrokenKeys, CertsRefused, OSError."""
    owner = (os.getuid() or STRANGER, os.getgid() or STRANGER)
    made = folder / "secrets" / "made"
    make_keys(made)
    make_certs(made)
    for process in PROCESSES:
        place = folder / "secrets" / process
        place.mkdir(mode=0o700, exist_ok=True)
        certificate = files_of(made, process)
        for source, name in ((made / f"{process}.json", "keys.json"), (certificate.cert, "cert.pem"), (certificate.key, "cert.key")):
            _copy(source, place / name)
        _copy(certificate.ca, place / "ca.pem")
        for path in (place, *place.iterdir()):
            os.chown(path, *owner)
    _write_env(folder / ".env", {"CLIPMESH_UID": str(owner[0]), "CLIPMESH_GID": str(owner[1])})


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all, for a running process may read it now."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.chmod(0o600)
    partial.rename(target)


def _write_env(file: Path, fixed: dict[str, str]) -> None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    wanted = {**{name: secrets.token_hex(16) for name in PASSWORDS}, **known, **fixed}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write("".join(f"{name}={value}\n" for name, value in wanted.items()))


def main() -> int:
    """The exit status."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("python -m devstack.preparing FOLDER, the one that compose.yaml is in", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    try:
        prepare(folder)
    except (BrokenKeys, CertsRefused, OSError) as refusal:
        print(f"preparing: {refusal}", file=sys.stderr)
        return 1
    print(f"In {folder / 'secrets'} and {folder / '.env'}. Keep a copy: without secrets/made nobody can read what is sealed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
