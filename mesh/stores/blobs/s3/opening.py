"""The first look at the store: is it there, are the keys right, does it do what we need; a bucket and its rules are made where that is allowed."""

from __future__ import annotations

import hashlib
import logging
import secrets
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from minio.commonconfig import ENABLED, Filter
from minio.error import InvalidResponseError
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, Expiration, LifecycleConfig, Rule

from mesh.settings import InvalidSetting
from mesh.stores.blobs.port import BlobNotFound, BlobsAway, BlobsError, BlobsUnavailable, Upkeep
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.deletion import delete_keys
from mesh.stores.blobs.s3.errors import StoreRefused, StoreUnreachable
from mesh.stores.blobs.s3.line import Line

_log = logging.getLogger("clipmesh.blobs")

RIGHTS = (
    "s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject, "
    "s3:DeleteObjectVersion, s3:AbortMultipartUpload, s3:ListMultipartUploadParts"
)
_KEYS_WRONG = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "ExpiredToken"}
_MALFORMED = {"InvalidArgument", "InvalidRequest", "MalformedXML"}
_AILING = {500, 502, 503, 504}
_RULE = "clipmesh-"
"""Begins the names of the rules that are ours to change."""
_CORS = (
    "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader>"
    "<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule></CORSConfiguration>"
)
"""As our own door answers: whoever has a link may use it from any page."""


def look(bucket: Bucket, line: Line) -> None:
    """Make the bucket where there is none and write, read and delete something in it. Raises InvalidSetting, BlobsAway among them."""
    probe = f"~probe/{secrets.token_hex(12)}"
    content = probe.encode()
    try:
        if not bucket.exists():
            _make(bucket)
        etag = bucket.put(probe, content, "text/plain").etag
        bucket.head(probe)
        bucket.list("~probe/", after="", limit=1)
        bucket.uploads("~probe/")
        delete_keys(bucket, line, [probe])
    except BlobsError as error:
        refusal = BlobsAway if _is_away(error) else InvalidSetting
        raise refusal(f"CLIPMESH_BLOBS={bucket.address.named}: {_why(bucket, error)}") from error
    if etag != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise InvalidSetting(
            f"CLIPMESH_BLOBS={bucket.address.named}: its tags are no checksums, which uploads are checked by: "
            "encrypt the bucket with keys of the store (SSE-S3), not with SSE-KMS or SSE-C"
        )


def keep_up(bucket: Bucket, upkeep: Upkeep) -> None:
    """Have the store clear away what is left over, and let pages send to it; where it cannot, it is said once and nothing is lost."""
    _attempt(bucket, "rules that clear away", lambda: _set_rules(bucket, upkeep), "what is left over is removed by the sweeper alone")
    _attempt(bucket, "CORS", lambda: _set_cors(bucket), "allow PUT with any header from your pages' origin and expose ETag")


def _make(bucket: Bucket) -> None:
    try:
        bucket.make()
    except StoreRefused as refused:
        if _is_away(refused):
            raise
        # Somebody else's start may have made it a moment ago.
        if not bucket.exists():
            raise InvalidSetting(
                f"CLIPMESH_BLOBS={bucket.address.named}: there is no such bucket and these keys may not make it ({refused.code}): make it"
            ) from refused


def _is_away(error: BlobsError) -> bool:
    """True for silence and for an error of the store's own; false for what no waiting mends, as another server or TLS of another kind."""
    match error:
        case StoreRefused():
            return error.status in _AILING
        case StoreUnreachable():
            root = _root_of(error)
            if isinstance(root, InvalidResponseError):
                # A proxy whose store is away says so in words of its own; the client keeps the status to itself.
                return root._code in _AILING
            return isinstance(root, OSError) and not isinstance(root, ssl.SSLError)
        case _:
            return isinstance(error, BlobsUnavailable)


def _why(bucket: Bucket, error: BlobsError) -> str:
    cause = f" ({_root(error)})"
    match error:
        case StoreRefused() if error.code in _KEYS_WRONG:
            return f"the store does not take these keys ({error.code}): correct them"
        case StoreRefused() if error.code == "AccessDenied" or error.status in {401, 403}:
            if error.code == "RequestTimeTooSkewed":
                return "its clock and ours differ by more than 15 minutes: set them"
            return f"these keys may not use the bucket ({error.code}): they need {RIGHTS}"
        case StoreRefused() if error.status in {301, 307, 400}:
            return f"the store refuses the way in which it is asked ({error.code}): correct host, region={bucket.region} and tls"
        case StoreRefused():
            return f"the store is not ready ({error.code}): look at it, then start again"
        case BlobNotFound():
            return "what was written a moment ago is not there: this is no store of objects that keeps its word"
        case _:
            scheme = "https" if bucket.address.tls else "http"
            return (
                f"nothing usable answers at {scheme}://{bucket.address.endpoint}{cause}: start the store, or correct host, port, tls and ca"
            )


def _root(error: BaseException) -> str:
    root = _root_of(error)
    return f"{type(root).__name__}: {root}".splitlines()[0][:160]


def _root_of(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _attempt(bucket: Bucket, what: str, act: Callable[[], None], instead: str) -> None:
    try:
        act()
    except StoreRefused as refused:
        if refused.code != "NotImplemented":
            _log.warning("the bucket's %s could not be set: %s", what, instead, extra={"code": refused.code})
    except BlobsError as error:
        _log.warning("the bucket's %s could not be set: %s", what, instead, extra={"error_type": type(error).__name__})


def _set_rules(bucket: Bucket, upkeep: Upkeep) -> None:
    now = bucket.lifecycle()
    present = list(now.rules) if now is not None else []
    wanted = [rule for rule in present if not (rule.rule_id or "").startswith(_RULE)] + _left_over(upkeep)
    everything = [*wanted, _unfinished(upkeep)]
    if _facts(present) == _facts(everything):
        return
    try:
        bucket.set_lifecycle(LifecycleConfig(everything))
    except StoreRefused as refused:
        # MinIO knows no rule for unfinished uploads: it removes them by a setting of the server, after a day unless told otherwise.
        if refused.code not in _MALFORMED:
            raise
        if _facts(present) != _facts(wanted):
            bucket.set_lifecycle(LifecycleConfig(wanted))


def _unfinished(upkeep: Upkeep) -> Rule:
    return Rule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id=f"{_RULE}unfinished",
        abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(days_after_initiation=upkeep.unfinished_days),
    )


def _left_over(upkeep: Upkeep) -> list[Rule]:
    return [
        Rule(ENABLED, rule_filter=Filter(prefix=prefix), rule_id=f"{_RULE}{prefix.strip('/')}", expiration=Expiration(days=days))
        for prefix, days in sorted(upkeep.left_over_days.items())
    ]


def _facts(rules: list[Rule]) -> set[tuple[object, ...]]:
    return {
        (
            rule.rule_id,
            rule.status,
            rule.rule_filter.prefix if rule.rule_filter else None,
            rule.expiration.days if rule.expiration else None,
            rule.abort_incomplete_multipart_upload.days_after_initiation if rule.abort_incomplete_multipart_upload else None,
        )
        for rule in rules
    }


def _set_cors(bucket: Bucket) -> None:
    if not bucket.has_cors():
        bucket.set_cors(_CORS)


def now_ms() -> int:
    """The time as the store has it, which no test moves."""
    return int(datetime.now(UTC).timestamp() * 1000)
