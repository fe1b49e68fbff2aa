"""Certificates are made once, renewed in time, and nothing that others believe is ever replaced."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from devstack import __main__ as command
from devstack import system
from devstack.certs import CertsRefused, files_of, make_certs
from devstack.keys import PROCESSES
from devstack.layout import SERVICES, Layout, own_variables
from mesh.tls import InvalidTls, name_of, read_material

DAY = timedelta(days=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def leaf(folder: Path, process: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files_of(folder, process).cert.read_bytes())


def names(folder: Path, process: str) -> list[object]:
    return [name.value for name in leaf(folder, process).extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


def test_every_process_gets_a_certificate_that_it_can_start_with(tmp_path: Path) -> None:
    made = make_certs(tmp_path)
    assert [(one.process, one.new) for one in made] == [(process, True) for process in PROCESSES]
    assert set(contents(tmp_path)) == {"ca.pem", "ca.key", *(f"{name}.{ending}" for name in PROCESSES for ending in ("pem", "key"))}
    for process in PROCESSES:
        material = read_material(files_of(tmp_path, process), service=process)
        assert material.serves is (process in SERVICES)
        assert names(tmp_path, process) == [name_of(process)]
        with pytest.raises(InvalidTls):
            read_material(files_of(tmp_path, process), service="somebody")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_certificate_signs_no_other(tmp_path: Path) -> None:
    make_certs(tmp_path)
    extensions = leaf(tmp_path, "video").extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    ]


def test_nothing_changes_until_the_last_third_of_a_life_and_then_all_but_the_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make_certs(tmp_path, days=30, now=now)
    before = contents(tmp_path)
    assert not any(one.new for one in make_certs(tmp_path, days=30, now=now + 19 * DAY))
    assert contents(tmp_path) == before
    assert all(one.new for one in make_certs(tmp_path, days=30, now=now + 21 * DAY))
    after = contents(tmp_path)
    assert {name for name in before if before[name] == after[name]} == {"ca.pem", "ca.key"}
    assert read_material(files_of(tmp_path, "video"), service="video", now=now + 50 * DAY)


def test_what_is_missing_broken_or_of_another_authority_is_made_anew(tmp_path: Path) -> None:
    make_certs(tmp_path)
    other = tmp_path / "other"
    make_certs(other)
    (tmp_path / "feed.pem").unlink()
    (tmp_path / "sound.key").write_bytes(b"words")
    for ending in ("pem", "key"):
        (tmp_path / f"social.{ending}").write_bytes((other / f"social.{ending}").read_bytes())
    assert {one.process for one in make_certs(tmp_path) if one.new} == {"feed", "sound", "social"}


def test_hosts_are_added_kept_by_renewals_and_taken_away(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make_certs(tmp_path)
    assert all(one.new for one in make_certs(tmp_path, hosts=["video.example", "10.0.0.7"]))
    expected = [name_of("video"), "video.example", ip_address("10.0.0.7")]
    assert sorted(map(str, names(tmp_path, "video"))) == sorted(map(str, expected))
    assert all(one.new for one in make_certs(tmp_path, now=now + 29 * DAY))
    assert sorted(map(str, names(tmp_path, "video"))) == sorted(map(str, expected))
    assert all(one.new for one in make_certs(tmp_path, hosts=[]))
    assert names(tmp_path, "video") == [name_of("video")]


@pytest.mark.parametrize("host", ["gateway.clipmesh", "clipmesh", "Video.example", "a b", "-a.example", "*.example", "", "10.0.0.0/8"])
def test_a_host_that_is_none_or_names_a_service_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(CertsRefused):
        make_certs(tmp_path / "certs", hosts=[host])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("days", [0, -1, 826])
def test_a_life_without_sense_is_refused(days: int, tmp_path: Path) -> None:
    with pytest.raises(CertsRefused, match="live between 1 and 825 days"):
        make_certs(tmp_path / "certs", days=days)
    assert list(tmp_path.iterdir()) == []


def test_an_authority_is_never_replaced(tmp_path: Path) -> None:
    make_certs(tmp_path)
    (tmp_path / "feed.pem").unlink()
    key, certificate = (tmp_path / "ca.key").read_bytes(), (tmp_path / "ca.pem").read_bytes()
    before = contents(tmp_path)

    def refused(words: str, *, now: datetime | None = None) -> None:
        standing = contents(tmp_path)
        with pytest.raises(CertsRefused, match=words):
            make_certs(tmp_path, now=now)
        assert contents(tmp_path) == standing

    (tmp_path / "ca.pem").unlink()
    refused("ca.key is there without ca.pem")
    (tmp_path / "ca.pem").write_bytes(b"words")
    refused("ca.pem cannot be read as a certificate")
    (tmp_path / "ca.pem").write_bytes(certificate)
    (tmp_path / "ca.key").unlink()
    refused("ca.key is needed to sign new certificates")
    (tmp_path / "ca.key").write_bytes((tmp_path / "video.key").read_bytes())
    refused("ca.key is not the key of ca.pem")
    (tmp_path / "ca.key").write_bytes(key)
    refused("ca.pem has ended", now=datetime.now(UTC) + 3651 * DAY)
    assert contents(tmp_path) == before
    assert {one.process for one in make_certs(tmp_path) if one.new} == {"feed"}


def test_the_key_of_the_authority_can_be_kept_elsewhere(tmp_path: Path) -> None:
    make_certs(tmp_path)
    (tmp_path / "ca.key").unlink()
    assert not any(one.new for one in make_certs(tmp_path))


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make_certs(tmp_path, now=now)
    make_certs(tmp_path, days=90, now=now + 3600 * DAY)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    assert leaf(tmp_path, "video").not_valid_after_utc == authority.not_valid_after_utc


def test_only_a_system_under_certificates_is_told_of_them(tmp_path: Path) -> None:
    plain = Layout(folder=tmp_path).environment("video")
    assert not [name for name in plain if name.startswith("CLIPMESH_TLS")]
    layout = Layout(folder=tmp_path, tls=True, addresses={"video": "127.0.0.1:7001"})
    for process, identity in (("video", "video"), ("worker-2", "video"), ("gateway", "gateway")):
        environment = layout.environment(process)
        assert environment["CLIPMESH_VIDEO_ADDRESS"] == "127.0.0.1:7001"
        files = [environment[f"CLIPMESH_TLS_{part}"] for part in ("CERT", "KEY", "CA")]
        assert files == [f"run/certs/{identity}.pem", f"run/certs/{identity}.key", "run/certs/ca.pem"]
        assert own_variables(process, tls=True).items() <= environment.items()


async def renewed(folder: Path, before: bytes) -> None:
    async with asyncio.timeout(5):
        while files_of(folder, "video").cert.read_bytes() == before:
            await asyncio.sleep(0.01)


async def test_a_system_that_runs_renews_its_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system, "RENEW_EVERY_S", 0.0)
    layout = Layout(folder=tmp_path, tls=True)
    layout.prepare()
    make_certs(layout.certs, days=30, now=datetime.now(UTC) - 25 * DAY)
    before = files_of(layout.certs, "video").cert.read_bytes()
    watching = asyncio.create_task(system.System(layout=layout).watch())
    try:
        await renewed(layout.certs, before)
        (layout.certs / "ca.key").unlink()
        (layout.certs / "feed.pem").unlink()
        async with asyncio.timeout(5):
            while "certificates were not renewed" not in capsys.readouterr().err:
                await asyncio.sleep(0.05)
        assert not watching.done()
    finally:
        watching.cancel()


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["clipmesh", "certs", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_says_what_became_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--folder", str(tmp_path)]
    assert run([*where, "--hosts", "video.example, 10.0.0.7", "--days", "60"], monkeypatch) == 0
    told = capsys.readouterr().out.splitlines()
    ends_at = leaf(tmp_path / "run" / "certs", "video").not_valid_after_utc
    assert timedelta(days=59) < ends_at - datetime.now(UTC) < timedelta(days=61)
    assert told[2] == f"video      new  until {ends_at:%Y-%m-%d %H:%M} UTC"
    assert len(told) == len(PROCESSES) + 1
    assert run(where, monkeypatch) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]] == ["kept"] * len(PROCESSES)
    assert run([*where, "--hosts", "feed.clipmesh"], monkeypatch) == 1
    assert (
        capsys.readouterr().err == "clipmesh: 'feed.clipmesh' would name a service; names under clipmesh are given by this command alone\n"
    )
