"""One bucket through the minio client: the only place that calls it, since half of what the port needs is private there.

Every call blocks, belongs into a line, and raises errors of the port only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import SplitResult, unquote_plus

from minio import Minio
from minio.datatypes import Part, parse_list_objects
from minio.deleteobjects import DeleteObject, DeleteRequest
from minio.helpers import BaseURL
from minio.lifecycleconfig import LifecycleConfig
from minio.xml import marshal
from urllib3.response import BaseHTTPResponse

from mesh.stores.blobs.port import BlobInfo, BlobNotFound, BlobPart, MultipartGone, OpenMultipart
from mesh.stores.blobs.s3.address import S3Address
from mesh.stores.blobs.s3.answers import (
    etag_of,
    extent,
    http_ms,
    info_of,
    length_of,
    listed,
    md5_header,
    read_answer,
    tag,
    upload_of,
    xml_of,
)
from mesh.stores.blobs.s3.errors import FAILURES, StoreRefused, StoreUnreachable, port_error
from mesh.stores.blobs.s3.pool import Pool

PAGE = 1000
"""The most that S3 lists or deletes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, or the mark of a deletion."""

    key: str
    version_id: str
    is_present: bool
    """True for the version that readers see."""


class Bucket:
    """The calls of one bucket."""

    def __init__(self, address: S3Address, *, pool: Pool) -> None:
        self.address = address
        self._name = address.bucket
        self._client = Minio(
            address.endpoint, access_key=address.key, secret_key=address.secret, secure=address.tls, region=address.region, http_client=pool
        )
        # The client's own idea of the region is right where the name of the host tells it.
        self.region = self._client._base_url.region or address.region
        self._links = BaseURL(address.links_base, address.region)

    def link(self, key: str, asked: Mapping[str, str]) -> SplitResult:
        """The unsigned URL of an object as clients reach it."""
        url = self._links.build(method="PUT", region=self.region, bucket_name=self._name, object_name=key, query_params=dict(asked))
        return SplitResult(*url)

    def put(self, key: str, content: bytes, content_type: str, *, upload: tuple[str, int] | None = None) -> BlobInfo:
        """Write an object, or the part of an upload (id, number)."""
        query = None if upload is None else {"uploadId": upload[0], "partNumber": str(upload[1])}
        headers = {"Content-Type": content_type} if upload is None else {}
        answer = self._ask("PUT", key, body=content, headers=headers, query=query)
        return BlobInfo(
            key=key,
            size_bytes=len(content),
            etag=etag_of(answer.headers.get("etag")),
            content_type=content_type,
            modified_at_ms=http_ms(answer.headers.get("last-modified") or answer.headers.get("date")),
        )

    def head(self, key: str, *, part_number: int = 0) -> BlobInfo:
        """What is known of an object; of one of its parts its size. Raises BlobNotFound."""
        answer = self._ask("HEAD", key, query={"partNumber": str(part_number)} if part_number else None)
        return info_of(key, answer, length_of(answer))

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str = "") -> tuple[BaseHTTPResponse, BlobInfo, int]:
        """The bytes [start, end), unread, what is known of the object, and where they really end. With `etag` of exactly this object.

        Raises BlobNotFound; StoreRefused as InvalidRange; PreconditionFailed when the object is another one.
        """
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        answer = self._ask("GET", key, headers=headers, stream=True)
        try:
            size_bytes, begins, ends = read_answer(extent, answer)
            if begins != start:
                raise StoreUnreachable("the store brought another range than the one that was asked for")
            return answer, info_of(key, answer, size_bytes), ends
        except BaseException:
            answer.close()
            raise

    def list(self, prefix: str, *, after: str, limit: int) -> tuple[Sequence[BlobInfo], str]:
        """Objects in key order and the cursor of the next page, empty at the end."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(limit), "encoding-type": "url"}
        answer = self._ask("GET", query=query | ({"start-after": after} if after else {}))
        objects, more, _, _ = read_answer(parse_list_objects, answer)
        found = [listed(one) for one in objects]
        return found, found[-1].key if more and found else ""

    def versions(self, prefix: str) -> Iterator[Sequence[Version]]:
        """All versions under a prefix, page by page; the page may be deleted before the next one is asked for."""
        markers: dict[str, str] = {}
        more = True
        while more:
            query = {"versions": "", "prefix": prefix, "max-keys": str(PAGE), "encoding-type": "url", **markers}
            objects, more, key, version = read_answer(parse_list_objects, self._ask("GET", query=query))
            markers = {"key-marker": key or "", **({"version-id-marker": version} if version else {})}
            yield [
                Version(
                    key=one.object_name or "",
                    version_id=one.version_id or "null",
                    is_present=not one.is_delete_marker and (one.is_latest or "true").lower() == "true",
                )
                for one in objects
            ]

    def delete(self, entries: Sequence[tuple[str, str | None]]) -> set[str]:
        """Delete up to `PAGE` keys or versions; the keys for which the store only noted a deletion, as it keeps versions."""
        body: bytes = marshal(DeleteRequest([DeleteObject(key, version) for key, version in entries]))
        answer = self._ask("POST", body=body, headers={"Content-MD5": md5_header(body)}, query={"delete": ""})
        noted = set()
        for entry in xml_of(answer):
            facts = {tag(fact): fact.text or "" for fact in entry}
            if tag(entry) == "Error" and facts.get("Code") not in {"NoSuchKey", "NoSuchVersion"}:
                raise StoreRefused(facts.get("Code", "no code"))
            if facts.get("DeleteMarker", "").lower() == "true" and "VersionId" not in facts:
                noted.add(facts["Key"])
        return noted

    def begin(self, key: str, content_type: str) -> str:
        """Begin a multipart upload."""
        answer = self._ask("POST", key, headers={"Content-Type": content_type}, query={"uploads": ""})
        found = [fact.text for fact in xml_of(answer) if tag(fact) == "UploadId"]
        if not found or not found[0]:
            raise StoreUnreachable("the store names no upload")
        return found[0]

    def parts(self, key: str, upload_id: str) -> Sequence[BlobPart]:
        """All parts of an upload. Raises MultipartGone."""
        found: list[BlobPart] = []
        marker = "0"
        while marker:
            query = {"uploadId": upload_id, "max-parts": str(PAGE), "part-number-marker": marker}
            answer = xml_of(self._ask("GET", key, query=query))
            parts = read_answer(lambda whole: [Part.fromxml(entry) for entry in whole if tag(entry) == "Part"], answer)
            found += [BlobPart(part_number=part.part_number, size_bytes=part.size or 0, etag=part.etag) for part in parts]
            more = any(tag(fact) == "IsTruncated" and (fact.text or "").lower() == "true" for fact in answer)
            marker = str(found[-1].part_number) if more and parts else ""
        return sorted(found, key=lambda part: part.part_number)

    def complete(self, key: str, upload_id: str, parts: Sequence[BlobPart]) -> None:
        """Make the object of exactly these parts. Raises MultipartGone; StoreRefused as InvalidPart when one was replaced meanwhile."""
        lines = "".join(f'<Part><PartNumber>{part.part_number}</PartNumber><ETag>"{part.etag}"</ETag></Part>' for part in parts)
        body = f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()
        headers = {"Content-Type": "application/xml", "Content-MD5": md5_header(body)}
        answer = xml_of(self._ask("POST", key, body=body, headers=headers, query={"uploadId": upload_id}))
        if tag(answer) == "Error":
            # S3 begins to answer 200 before it knows.
            raise StoreRefused(next((fact.text or "" for fact in answer if tag(fact) == "Code"), "no code"))

    def abort(self, key: str, upload_id: str) -> None:
        """End an upload. Raises MultipartGone."""
        self._ask("DELETE", key, query={"uploadId": upload_id})

    def uploads(self, prefix: str) -> Sequence[OpenMultipart]:
        """Open uploads under a prefix. MinIO takes a prefix for a whole key, so all are asked for and sorted out here."""
        found: list[OpenMultipart] = []
        markers: dict[str, str] = {}
        more = True
        while more:
            query = {"uploads": "", "prefix": "", "max-uploads": str(PAGE), "encoding-type": "url", **markers}
            answer = xml_of(self._ask("GET", query=query))
            facts = {tag(fact): unquote_plus(fact.text or "") for fact in answer}
            read = partial(upload_of, quoted=facts.get("EncodingType") == "url")
            found += read_answer(lambda whole: [read(entry) for entry in whole if tag(entry) == "Upload"], answer)  # noqa: B023 called at once
            markers = {"key-marker": facts.get("NextKeyMarker", ""), "upload-id-marker": facts.get("NextUploadIdMarker", "")}
            more = facts.get("IsTruncated", "").lower() == "true" and bool(markers["key-marker"])
        return sorted((one for one in found if one.key.startswith(prefix)), key=lambda one: (one.key, one.upload_ref))

    def exists(self) -> bool:
        """True when the bucket is there and may be seen."""
        try:
            # A HEAD would not say why it was refused.
            self.list("", after="", limit=1)
        except StoreRefused as refused:
            if refused.code == "NoSuchBucket":
                return False
            raise
        return True

    def make(self) -> None:
        """Make the bucket."""
        try:
            self._client.make_bucket(self._name, self.region)
        except FAILURES as error:
            refused = port_error(error)
            if not isinstance(refused, StoreRefused) or refused.code != "BucketAlreadyOwnedByYou":
                raise refused from error

    def lifecycle(self) -> LifecycleConfig | None:
        """The rules by which the store clears away; None without any."""
        try:
            return self._client.get_bucket_lifecycle(self._name)
        except FAILURES as error:
            raise port_error(error) from error

    def set_lifecycle(self, rules: LifecycleConfig) -> None:
        """Replace all rules by which the store clears away."""
        try:
            self._client.set_bucket_lifecycle(self._name, rules)
        except FAILURES as error:
            raise port_error(error) from error

    def has_cors(self) -> bool:
        """True when somebody said which pages may send to the bucket."""
        try:
            self._ask("GET", query={"cors": ""})
        except StoreRefused as refused:
            if refused.code == "NoSuchCORSConfiguration":
                return False
            raise
        return True

    def set_cors(self, rules: str) -> None:
        """Say which pages may send to the bucket; the client has no call for it."""
        body = rules.encode()
        self._ask("PUT", body=body, headers={"Content-Type": "application/xml", "Content-MD5": md5_header(body)}, query={"cors": ""})

    def note(self, key: str, facts: Mapping[str, str]) -> None:
        """Write a small note of ours."""
        self.put(key, json.dumps(facts).encode(), "application/json")

    def noted(self, key: str) -> Mapping[str, str]:
        """A note of ours; empty when there is none."""
        try:
            answer = self._ask("GET", key)
        except BlobNotFound:
            return {}
        facts: dict[str, str] = read_answer(lambda whole: json.loads(whole.data), answer)
        return facts

    def _ask(
        self,
        method: str,
        key: str | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> BaseHTTPResponse:
        try:
            return self._client._execute(
                method,
                self._name,
                key,
                body=body,
                headers=dict(headers or {}),
                query_params=dict(query or {}),
                preload_content=not stream,
                no_body_trace=True,
            )
        except FAILURES as error:
            refused = port_error(error)
            if isinstance(refused, BlobNotFound) and "uploadId" in (query or {}):
                # Whatever a store says is absent: without its upload there is no part.
                raise MultipartGone(str(refused)) from error
            raise refused from error
