"""A process with certificates that cannot work refuses to start, and says which file and why."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh.app import REFUSALS, ServiceSettings
from mesh.settings import InvalidSetting, read
from mesh.testing.rpc import process_for
from mesh.tls import InvalidTls, Tls, TlsFiles, caller_of, name_of, read_material, service_of
from tests.contract.rpc.certificates import HOUR, Authority


def settings_of(files: TlsFiles) -> ServiceSettings:
    return ServiceSettings(secrets="", testing=True, tls_cert=str(files.cert), tls_key=str(files.key), tls_ca=str(files.ca))


def good(folder: Path) -> TlsFiles:
    return Authority().certificate("video").write(folder, "video")


def without(part: str) -> Callable[[Path], TlsFiles]:
    def made(folder: Path) -> TlsFiles:
        files = good(folder)
        getattr(files, part).unlink()
        return files

    return made


def filled(part: str, content: bytes) -> Callable[[Path], TlsFiles]:
    def made(folder: Path) -> TlsFiles:
        files = good(folder)
        getattr(files, part).write_bytes(content)
        return files

    return made


def open_key(mode: int) -> Callable[[Path], TlsFiles]:
    def made(folder: Path) -> TlsFiles:
        files = good(folder)
        files.key.chmod(mode)
        return files

    return made


CLIENT_ONLY, SERVER_ONLY = (ExtendedKeyUsageOID.CLIENT_AUTH,), (ExtendedKeyUsageOID.SERVER_AUTH,)

CASES: tuple[tuple[Callable[[Path], TlsFiles], str], ...] = (
    (without("cert"), r"video\.pem cannot be read: No such file or directory"),
    (without("key"), r"video\.key cannot be read: No such file or directory"),
    (without("ca"), r"video-ca\.pem cannot be read: No such file or directory"),
    (filled("cert", b"words"), r"video\.pem holds no certificate in PEM"),
    (filled("ca", b""), r"video-ca\.pem holds no certificate in PEM"),
    (filled("key", b"words"), r"video\.key holds no private key that can be read without a password"),
    (filled("key", Authority().certificate("video").key), r"video\.key is not the key of the certificate in .*video\.pem"),
    (filled("ca", Authority().pem), r"video\.pem was not issued by an authority in .*video-ca\.pem"),
    (open_key(0o644), r"video\.key is a private key and open to others \(mode 644, \d+ too much\): chmod 600"),
    (open_key(0o602), r"video\.key is a private key and open to others \(mode 602, 2 too much\): chmod 600"),
    (
        lambda folder: Authority().certificate("feed").write(folder, "video"),
        r"names feed; this process is video and needs the name video\.clipmesh",
    ),
    (lambda folder: Authority().certificate().write(folder, "video"), r"names no service, or several; this process is video"),
    (
        lambda folder: Authority().certificate("video", "feed").write(folder, "video"),
        r"names no service, or several; this process is video",
    ),
    (lambda folder: Authority().certificate("video", ends=-HOUR / 2).write(folder, "video"), r"is valid from .* to .* UTC, not now"),
    (lambda folder: Authority().certificate("video", starts=HOUR / 2).write(folder, "video"), r"is valid from .* to .* UTC, not now"),
    (lambda folder: Authority().certificate("video", self_signed=True).write(folder, "video"), r"was not issued by an authority"),
    (lambda folder: Authority().certificate("video", uses=SERVER_ONLY).write(folder, "video"), r"may not be used by clients"),
)


@pytest.mark.parametrize(("made", "says"), CASES, ids=[says[:40] for _, says in CASES])
def test_what_cannot_work_is_refused_at_start(made: Callable[[Path], TlsFiles], says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidTls, match=says) as refusal:
        process_for("video", settings=settings_of(made(tmp_path)))
    assert isinstance(refusal.value, REFUSALS)
    assert "PRIVATE KEY" not in str(refusal.value)


def test_what_works_is_taken_and_none_is_fine(tmp_path: Path) -> None:
    process = process_for("video", settings=settings_of(good(tmp_path)))
    assert process.tls is not None
    assert process.tls.current().serves
    assert process_for("video").tls is None


def test_a_key_of_root_may_be_lent_to_a_group(tmp_path: Path) -> None:
    files = open_key(0o640)(tmp_path)
    if os.geteuid() == 0:
        assert read_material(files, service="video").serves
    else:
        with pytest.raises(InvalidTls, match="mode 640, 40 too much"):
            read_material(files, service="video")


@pytest.mark.parametrize("named", ["TLS_CERT", "TLS_KEY", "TLS_CA"])
def test_settings_are_given_together(named: str) -> None:
    others = " and ".join(f"CLIPMESH_{name}" for name in ("TLS_CERT", "TLS_KEY", "TLS_CA") if name != named)
    with pytest.raises(InvalidSetting, match=f"^{others} not set: "):
        read(ServiceSettings, {"CLIPMESH_SECRETS": "x", f"CLIPMESH_{named}": "file"})


def test_a_certificate_for_clients_opens_no_port(tmp_path: Path) -> None:
    tls = Tls(Authority().certificate("gateway", uses=CLIENT_ONLY).write(tmp_path, "gateway"), service="gateway")
    with pytest.raises(InvalidTls, match="may not be used by servers"):
        tls.server_credentials()


def test_the_end_of_a_certificate_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "clipmesh.tls"):
        young = Tls(good(tmp_path), service="video", look_every_s=0)
        young.current()
        assert caplog.records == []
        files = Authority().certificate("video", ends=HOUR / 20).write(tmp_path, "video")
        old = Tls(files, service="video", look_every_s=0)
        ends_at = old.current().ends_at
        old.current()
    assert [record.getMessage() for record in caplog.records] == [
        f"the certificate in {files.cert} ends at {ends_at.isoformat()}; then every peer refuses it"
    ]


def test_names_say_one_service_or_none() -> None:
    assert service_of([name_of("video")]) == "video"
    assert service_of(["host.example", name_of("video"), name_of("video")]) == "video"
    assert not service_of(["host.example", "video", "clipmesh"])
    assert not service_of([name_of("video"), name_of("feed")])


def test_only_the_dns_names_of_a_verified_certificate_say_who_calls() -> None:
    assert caller_of({}) is None
    assert caller_of({"transport_security_type": [b"insecure"], "peer_dns": [b"gateway.clipmesh"]}) is None
    assert caller_of({"transport_security_type": [b"ssl"]}) == ""
    assert not caller_of(
        {"transport_security_type": [b"ssl"], "peer_uri": [b"gateway.clipmesh"], "x509_common_name": [b"gateway.clipmesh"]}
    )
    assert caller_of({"transport_security_type": [b"ssl"], "peer_dns": [b"gateway.clipmesh"]}) == "gateway"
