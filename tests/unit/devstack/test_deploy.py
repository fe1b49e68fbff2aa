"""The files for containers name what the tree has: settings, modules, ports, folders. No container engine and no YAML reader is asked."""

from __future__ import annotations

import dataclasses
import re
import stat
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from devstack import alive, preparing
from devstack.keys import BrokenKeys
from devstack.layout import SERVICES
from gateway.settings import GatewaySettings
from mesh import settings as environment
from mesh.secrets import Secrets
from mesh.service_settings import ServiceSettings
from mesh.stores.blobs.s3.address import KEY_VARIABLE, SECRET_VARIABLE, read_address
from mesh.stores.tables.cql.address import parse_address
from mesh.tls import Tls
from svc_feed.settings import FeedSettings
from svc_rights.settings import RightsSettings
from svc_social.settings import SocialSettings
from svc_sound.settings import SoundSettings
from svc_video.processing.worker.settings import WorkerSettings
from svc_video.settings import VideoSettings

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SETTINGS: dict[str, type[ServiceSettings]] = {
    "rights": RightsSettings,
    "social": SocialSettings,
    "sound": SoundSettings,
    "video": VideoSettings,
    "worker": WorkerSettings,
    "feed": FeedSettings,
    "gateway": GatewaySettings,
}
STORES = ("scylla", "redis", "minio", "kafka")
MADE = {"CLIPMESH_UID": "1000", "CLIPMESH_GID": "1000", "CLIPMESH_S3_SECRET": "secret", "CLIPMESH_REDIS_PASSWORD": "word"}
"""What `.env` gives."""


def section(name: str) -> str:
    """The lines of a block at the left margin."""
    found = re.search(rf"^{name}:.*\n((?:(?: +.*| *#.*)?\n)+)", COMPOSE, re.MULTILINE)
    assert found is not None, name
    return found[1]


def containers() -> dict[str, str]:
    """The block of each container."""
    blocks = re.split(r"^  (\w+):\n", section("services"), flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


def variables(block: str) -> dict[str, str]:
    """What a block gives processes, with the values of `.env` filled in."""

    def filled(value: str) -> str:
        return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: MADE[found[1]], value.strip().strip('"'))

    return {name: filled(value) for name, value in re.findall(r"\b(CLIPMESH_\w+): (\"[^\"]*\"|[^,}\n]+)", block)}


def test_there_is_a_container_for_each_store_and_each_process() -> None:
    assert tuple(containers()) == (*STORES, *SETTINGS)


@pytest.mark.parametrize("name", STORES)
def test_a_store_has_a_check_a_volume_and_limits(name: str) -> None:
    block = containers()[name]
    for part in ("image: ", "healthcheck:", "mem_limit: ", "cpus: ", f'volumes: ["{name}:'):
        assert part in block, part
    assert re.search(rf"^  {name}:$", section("volumes"), re.MULTILINE)
    assert re.search(r"image: \S+:(?!latest)\S+", block)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_process_gets_settings_that_it_reads_and_that_go_together(name: str) -> None:
    given = {**variables(section("x-variables")), **variables(containers()[name])}
    known = {f"CLIPMESH_{field.name.upper()}" for kind in SETTINGS.values() for field in dataclasses.fields(kind)}
    addresses = {f"CLIPMESH_{service.upper()}_ADDRESS" for service in SERVICES}
    assert set(given) <= known | addresses | {KEY_VARIABLE, SECRET_VARIABLE}
    read = environment.read(SETTINGS[name], given)
    assert (read.node, read.secrets, read.testing, read.development) == (f"{name}-1", "/run/clipmesh/keys.json", False, False)
    for service in SERVICES:
        assert given[f"CLIPMESH_{service.upper()}_ADDRESS"] == f"{service}:{read.listen.rpartition(':')[2]}"
    whose = "video" if name == "worker" else name
    assert f'volumes: ["./secrets/{whose}:/run/clipmesh:ro"' in containers()[name]


def test_the_urls_of_the_stores_name_their_containers() -> None:
    given = variables(section("x-variables"))
    assert parse_address(given["CLIPMESH_TABLES"]).hosts[0][0] == "scylla"
    blobs = read_address(given["CLIPMESH_BLOBS"], given)
    assert (blobs.endpoint, blobs.public, blobs.secret, blobs.tls) == ("minio:9000", "http://127.0.0.1:9000", "secret", False)
    assert '"127.0.0.1:9000:9000"' in containers()["minio"]
    assert given["CLIPMESH_EVENTS"].startswith("kafka://kafka:9092")
    assert "KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092" in containers()["kafka"]
    assert given["CLIPMESH_REDIS"] == "redis://:word@redis:6379/0"


def test_the_gateway_is_where_it_says_it_is() -> None:
    read = environment.read(GatewaySettings, {**variables(section("x-variables")), **variables(containers()["gateway"])})
    assert (read.host, read.origin) == ("0.0.0.0", f"http://127.0.0.1:{read.port}")
    assert f'ports: ["127.0.0.1:{read.port}:{read.port}"]' in containers()["gateway"]
    published = re.findall(r"ports: \[(.*)\]", COMPOSE)
    assert published == ['"127.0.0.1:9000:9000"', f'"127.0.0.1:{read.port}:{read.port}"']


def test_every_module_that_is_run_is_there_and_asked_under_its_name() -> None:
    for module in re.findall(r'"python", "-m", "([\w.]+)"', COMPOSE + DOCKERFILE):
        assert find_spec(module) is not None, module
        assert find_spec(f"{module}.__main__") is not None if "." not in module else True
    for name in SETTINGS:
        assert name in alive.NAMES
        assert f'test: ["CMD", "python", "-m", "devstack.alive", "{name}"]' in containers()[name]


def test_processes_are_nobody_and_write_nowhere_but_where_they_may() -> None:
    shared = section("x-clipmesh")
    for part in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "user: ", "mem_limit: ", "pids_limit: "):
        assert part in shared, part
    assert all("<<: *clipmesh" in containers()[name] for name in SETTINGS)
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("\nFROM ") == 2
    assert '"scratch:/scratch"' in containers()["worker"]
    assert "CLIPMESH_SCRATCH=/scratch" in DOCKERFILE


def test_the_image_has_every_package_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {path for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]}
    assert {package for package in packages if not any(Path(package).is_relative_to(path) for path in copied)} == set()
    assert all((ROOT / path).exists() for path in copied)
    let_in = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split()
    assert all(any(Path(path.split("/")[0]).match(line[1:]) for line in let_in if line.startswith("!")) for path in copied)


def test_each_process_is_given_its_own_keys_and_nobody_elses(tmp_path: Path) -> None:
    preparing.prepare(tmp_path)
    env = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert set(env) == set(re.findall(r"\$\{(\w+):\?", COMPOSE)) == set(MADE)
    for name in ("gateway", *SERVICES):
        place = tmp_path / "secrets" / name
        assert sorted(file.name for file in place.iterdir()) == ["ca.pem", "cert.key", "cert.pem", "keys.json"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}
        assert {str(file.stat().st_uid) for file in place.iterdir()} == {env["CLIPMESH_UID"]} != {"0"}
        assert Secrets.load(place / "keys.json").service == name
        assert Tls.of(_settings(place), service=name) is not None
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600

    before = {file: file.read_bytes() for file in _files(tmp_path)}
    (tmp_path / "secrets" / "video" / "keys.json").unlink()
    preparing.prepare(tmp_path)
    assert {file: file.read_bytes() for file in _files(tmp_path)} == before


def test_keys_that_cannot_be_read_are_never_replaced(tmp_path: Path) -> None:
    preparing.prepare(tmp_path)
    (tmp_path / "secrets" / "made" / "social.json").write_text("{")
    before = {file: file.read_bytes() for file in _files(tmp_path)}
    with pytest.raises(BrokenKeys):
        preparing.prepare(tmp_path)
    assert {file: file.read_bytes() for file in _files(tmp_path)} == before


def test_what_is_secret_is_in_no_image_and_no_commit() -> None:
    assert (ROOT / "deploy" / ".gitignore").read_text().split() == ["secrets/", ".env"]
    assert (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split("\n")[1] == "*"


def _settings(place: Path) -> ServiceSettings:
    tls = {"CLIPMESH_TLS_CERT": f"{place}/cert.pem", "CLIPMESH_TLS_KEY": f"{place}/cert.key", "CLIPMESH_TLS_CA": f"{place}/ca.pem"}
    return environment.read(ServiceSettings, {"CLIPMESH_SECRETS": f"{place}/keys.json", **tls})


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file())
