"""The secrets file is read whole or refused by the name of what is wrong, and its values are never told."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mesh.auth import InvalidSecrets, Secrets
from mesh.testing.rpc import private_key_of, secrets_for

KEY = base64.b64encode(private_key_of("video")).decode()
PEER = base64.b64encode(bytes(range(32))).decode()


def written(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "secrets.json"
    document = {"service": "video", "private_key": KEY, "peers": {"gateway": PEER}, "named": {"blob_url_key": "c2VjcmV0"}, **changes}
    path.write_text(json.dumps(document))
    return path


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    secrets = Secrets.load(written(tmp_path))
    assert secrets.service == "video"
    assert secrets.named("blob_url_key") == b"secret"
    assert secrets.verify("video", b"data", secrets.sign(b"data"))
    assert secrets_for("rights").verify("video", b"data", secrets.sign(b"data"))
    assert secrets.key_id == secrets_for("rights").key_id_of("video")


def test_others_cannot_be_impersonated(tmp_path: Path) -> None:
    secrets = secrets_for("video")
    assert not secrets.verify("gateway", b"data", secrets.sign(b"data"))
    assert not secrets.verify("nobody", b"data", secrets.sign(b"data"))
    assert not secrets.verify("video", b"other", secrets.sign(b"data"))
    assert not secrets.verify("video", b"data", b"")
    assert secrets.key_id_of("nobody") == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"service": ""}, "has no service name"),
        ({"service": 5}, "has no service name"),
        ({"private_key": None}, "private_key is missing"),
        ({"private_key": "not base64!"}, "private_key is not base64"),
        ({"private_key": "c2VjcmV0"}, "private_key is not a raw Ed25519 key"),
        ({"peers": []}, "peers is no object"),
        ({"peers": {"gateway": "c2VjcmV0"}}, "peers.gateway is not a raw Ed25519 key"),
        ({"named": {"blob_url_key": 7}}, "named.blob_url_key is missing"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_is_told(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSecrets, match=words) as refused:
        Secrets.load(written(tmp_path, **changes))
    assert KEY not in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("{")
    (tmp_path / "list").write_text("[]")
    for name in ("absent", "broken", "list"):
        with pytest.raises(InvalidSecrets):
            Secrets.load(tmp_path / name)


def test_a_key_that_was_not_given_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSecrets, match="the secrets of video have no key named grant_key"):
        Secrets.load(written(tmp_path)).named("grant_key")
