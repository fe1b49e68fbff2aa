"""The programs of this machine that fetch and run servers: which are there, and how to get the others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack.servers.refusals import MissingTool

OLDEST_JAVA: Final = 17
"""Brokers of Kafka 4 need it."""
JAVAS: Final = Path("/usr/lib/jvm")
"""Where Debian, Ubuntu and Fedora keep theirs."""
_ASK_S: Final = 20.0
_JAVA_VERSION: Final = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java that runs servers."""

    binary: Path
    version: int
    """Its major version."""


def find_java(*, newest: int | None = None) -> Java:
    """The Java of JAVA_HOME when that is set, else the one on PATH, else another of this machine; not above version `newest`. Raises MissingTool."""
    wanted = f"{OLDEST_JAVA} or later" if newest is None else f"{OLDEST_JAVA} to {newest}"
    get = f"install Java {OLDEST_JAVA} (Debian and Ubuntu: apt-get install openjdk-{OLDEST_JAVA}-jre-headless) or name one in JAVA_HOME"
    unfit = ""
    for binary in _javas():
        version = _java_version(binary)
        if version >= OLDEST_JAVA and (newest is None or version <= newest):
            return Java(binary=Path(binary), version=version)
        unfit = unfit or f"{binary} is Java {version}"
    home = os.environ.get("JAVA_HOME", "")
    lacking = unfit or f"no java {f'in JAVA_HOME={home}' if home else 'on PATH'}"
    raise MissingTool(f"{lacking}, and version {wanted} is needed: {get}")


def _javas() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME", ""):
        if named := shutil.which("java", path=str(Path(home) / "bin")):
            yield named
        return
    if on_path := shutil.which("java"):
        yield on_path
    yield from sorted(str(binary) for binary in JAVAS.glob("*/bin/java"))


def _java_version(binary: str) -> int:
    try:
        answer = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingTool(f"{binary} does not run: {error}") from error
    told = _JAVA_VERSION.search(answer.stderr + answer.stdout)
    return int(told[1]) if told else 0


def find_maven() -> Path:
    """The `mvn` on PATH. Raises MissingTool."""
    return _on_path("mvn", "install Maven 3.6 or later (Debian and Ubuntu: apt-get install maven)")


def find_go() -> Path:
    """The `go` on PATH. Raises MissingTool."""
    return _on_path("go", "install Go 1.24 or later (https://go.dev/dl)")


def _on_path(name: str, get: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"no {name} on PATH: {get}")
    return Path(found)
