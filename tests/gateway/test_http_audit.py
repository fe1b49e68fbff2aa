"""The public audit of GraphQL over HTTP (npm: graphql-http) passes completely, SHOULDs and MAYs included."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.gateway.world import World

PACKAGES = {"graphql-http": "1.23.1", "graphql": "16.11.0"}
CACHE = Path(__file__).parents[2] / ".cache" / "graphql-http-audit"
INSTALL_S = 50.0

_AUDIT = """
const { serverAudits } = require("graphql-http");
(async () => {
  const results = [];
  for (const audit of serverAudits({ url: process.argv[2] })) {
    const result = await audit.fn();
    results.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
  }
  console.log(JSON.stringify(results));
})();
"""


def _missing(reason: str) -> None:
    if os.environ.get("CLIPMESH_REQUIRE_NODE") == "1":
        pytest.fail(f"CLIPMESH_REQUIRE_NODE=1, but {reason}")
    pytest.skip(f"the graphql-http audit did not run: {reason}")


async def _run(*command: str, timeout_s: float) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CACHE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, "", f"{command[0]} took longer than {timeout_s:.0f} s"
    return process.returncode or 0, output.decode(), errors.decode()


async def _installed() -> str:
    """The node to run, with the packages beside the script; skips or fails when it cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _missing("there is no node and npm on PATH")
        raise AssertionError
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
    (CACHE / "audit.js").write_text(_AUDIT)
    if not (CACHE / "node_modules" / "graphql-http" / "package.json").exists():
        status, _, errors = await _run(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", timeout_s=INSTALL_S)
        if status:
            _missing(f"npm could not install graphql-http: {errors[-300:]}")
    return node


@pytest.mark.timeout(120)
async def test_every_check_of_the_graphql_http_audit_passes(world: World) -> None:
    node = await _installed()
    status, output, errors = await _run(node, "audit.js", f"{world.origin}/graphql", timeout_s=40.0)
    assert status == 0, errors
    results = json.loads(output)
    assert len(results) >= 60
    failed = [f"{one['id']} {one['status']} {one['name']}: {one['reason']}" for one in results if one["status"] != "ok"]
    assert failed == []
