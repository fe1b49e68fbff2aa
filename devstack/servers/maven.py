"""Jars of Maven Central, brought by `mvn` through a throw-away project that depends on them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from devstack.servers.keeper import Keeper
from devstack.servers.refusals import FetchFailed
from devstack.servers.tools import find_maven

PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
"""Named with its version: each Maven has another default."""


def fetch_jars(coordinates: tuple[str, ...], folder: Path, *, keeper: Keeper) -> None:
    """Put what `group:artifact:version` names, and what that needs to run, into `folder`. Raises MissingTool, FetchFailed."""
    maven = find_maven()
    with tempfile.TemporaryDirectory(prefix="clipmesh-mvn-") as temporary:
        project = Path(temporary)
        (project / "pom.xml").write_text(_project(coordinates), encoding="utf-8")
        copy = (f"{PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}")
        keeper.fetch((str(maven), "-B", "-q", "-f", str(project / "pom.xml"), *copy), folder=project, log=project / "mvn.log")
    if not any(folder.glob("*.jar")):
        raise FetchFailed(f"mvn ended well and brought no jar of {', '.join(coordinates)}")


def _project(coordinates: tuple[str, ...]) -> str:
    parts = (coordinate.split(":") for coordinate in coordinates)
    needed = "".join(
        f"<dependency><groupId>{escape(group)}</groupId><artifactId>{escape(artifact)}</artifactId><version>{escape(version)}</version></dependency>"
        for group, artifact, version in parts
    )
    own = "<groupId>clipmesh</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>"
    return f"<project><modelVersion>4.0.0</modelVersion>{own}<dependencies>{needed}</dependencies></project>"
