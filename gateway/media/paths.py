"""What a request names, read from the undecoded path: whoever needs an escape to spell it does not want one of our keys."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import Scope

from gateway.media.problems import Problem
from mesh.stores.blobs.keys import is_key


def raw_path(scope: Scope) -> str:
    """The path as it came over the wire, below the prefix under which the application is served."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


def media_path(path: str) -> tuple[str, str]:
    """Grant and key below its prefix of `/m/{grant}/{key}`. Raises Problem for escapes, dots, empty segments and whatever else no key has."""
    _, _, rest = path.partition("/m/")
    token, _, name = rest.partition("/")
    if not path.startswith("/m/") or not token or not is_key(name):
        raise Problem(HTTPStatus.BAD_REQUEST, "PATH_NOT_ALLOWED", "The path is not one that a player asks for.")
    return token, name
