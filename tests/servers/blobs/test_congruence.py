"""Both engines answer the same random sequences of calls in the same way."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobInfo, BlobPart, Blobs, BlobsError, OpenMultipart, PartMismatch
from mesh.testing.blobs import MINUTE_MS, PART

KEYS = ("a/1", "a/2", "a/b/3", "ab", "b-", "b.c", "z")
WRONG_KEYS = ("", "a//b", "../a", "a b")
PREFIXES = ("", "a", "a/", "a/b", "b", "y")
BODIES = (b"", b"x", b"0123456789" * 100)
LONG_BODIES = (b"1" * PART, b"2" * PART)
Call = tuple[Any, ...]

keys = st.sampled_from(KEYS)
prefixes = st.sampled_from(PREFIXES)
bodies = st.sampled_from(BODIES)
uploads = st.integers(0, 3)
numbers = st.integers(-1, 1_100)
short_calls = st.one_of(
    st.tuples(st.just("put"), keys, bodies, st.sampled_from(("video/mp4", "text/plain"))),
    st.tuples(st.just("put"), st.sampled_from(WRONG_KEYS), bodies, st.just("text/plain")),
    st.tuples(st.just("put_file"), keys, bodies),
    st.tuples(st.just("get"), keys, numbers, st.one_of(st.none(), numbers)),
    st.tuples(st.just("get_file"), keys),
    st.tuples(st.just("head"), keys),
    st.tuples(st.just("list"), prefixes, st.sampled_from(("", *KEYS)), st.integers(0, 5)),
    st.tuples(st.just("delete"), st.lists(keys, max_size=3)),
    st.tuples(st.just("delete_prefix"), prefixes),
    st.tuples(st.just("send"), keys, bodies, st.integers(-1, 1)),
    st.tuples(st.just("begin"), keys),
    st.tuples(st.just("send_part"), uploads, st.integers(1, 3), bodies),
    st.tuples(st.just("parts"), uploads),
    st.tuples(st.just("complete"), uploads, st.sampled_from((0, 1, 1000, 1001, PART + 1, PART + 1000, 2 * PART)), st.integers(0, 2)),
    st.tuples(st.just("abort"), uploads),
    st.tuples(st.just("open_uploads"), prefixes),
)
long_parts = st.tuples(st.just("send_part"), uploads, st.integers(1, 2), st.sampled_from(LONG_BODIES))


@dataclass(slots=True)
class Side:
    """One engine, and what it calls the uploads that were begun."""

    blobs: Blobs
    folder: Path
    uploads: list[tuple[str, str]] = field(default_factory=list)
    etags: list[dict[int, str]] = field(default_factory=list)

    async def answer(self, call: Call) -> Any:
        """What a call answers, or the error that it raises, without what may differ: times and names of uploads."""
        try:
            return self._plain(await self._do(*call))
        except PartMismatch as refused:
            return "PartMismatch", refused.missing, refused.mismatched, refused.size_bytes
        except (BlobsError, ValueError) as refused:
            # Why a link is no good differs: S3 says only that its signature is none.
            return "refused" if call[0] == "send" else type(refused).__name__

    async def _do(self, name: str, *given: Any) -> Any:
        if name in {"send_part", "parts", "complete", "abort"}:
            return await self._of_upload(name, *given)
        if name == "put":
            key, body, content_type = given
            return await self.blobs.put(key, body, content_type=content_type)
        if name == "put_file":
            key, body = given
            (self.folder / "source").write_bytes(body)
            return await self.blobs.put_file(key, self.folder / "source")
        if name == "get":
            key, start, end = given
            opened = await self.blobs.get(key, start=start, end=end)
            return opened.info, opened.start, opened.end, await opened.read()
        if name == "get_file":
            info = await self.blobs.get_file(given[0], self.folder / "copy")
            return info, (self.folder / "copy").read_bytes()
        if name == "list":
            prefix, after, limit = given
            page = await self.blobs.list(prefix, after=after, limit=limit)
            return list(page.blobs), page.next
        if name == "send":
            key, body, more = given
            return await self.blobs.send(await self.blobs.presign_put(key, size_bytes=len(body) + more, expires_in_ms=MINUTE_MS), body)
        if name == "begin":
            self.uploads.append((given[0], await self.blobs.multipart_begin(given[0], content_type="video/mp4")))
            self.etags.append({})
            return None
        if name == "open_uploads":
            return [one for one in await self.blobs.multipart_list(given[0]) if (one.key, one.upload_ref) in self.uploads]
        return await getattr(self.blobs, name)(*given)

    async def _of_upload(self, name: str, which: int, *given: Any) -> Any:
        if which >= len(self.uploads):
            return "none begun"
        (key, ref), etags = self.uploads[which], self.etags[which]
        if name == "send_part":
            number, body = given
            link = await self.blobs.presign_part(key, ref, number, size_bytes=len(body), expires_in_ms=MINUTE_MS)
            etags[number] = await self.blobs.send(link, body)
            return etags[number]
        if name == "parts":
            return list(await self.blobs.multipart_parts(key, ref))
        if name == "complete":
            size_bytes, claims = given
            claimed = (None, etags, {**etags, 1: "0" * 32})[claims]
            return await self.blobs.multipart_complete(key, ref, size_bytes=size_bytes, part_size_bytes=PART, etags=claimed)
        return await self.blobs.multipart_abort(key, ref)

    def _plain(self, answer: Any) -> Any:
        match answer:
            case BlobInfo():
                return dataclasses.replace(answer, modified_at_ms=0)
            case OpenMultipart():
                return answer.key, self.uploads.index((answer.key, answer.upload_ref))
            case BlobPart() | str() | bytes() | int() | None:
                return answer
            case list():
                plain = [self._plain(one) for one in answer]
                return sorted(plain) if plain and isinstance(plain[0], tuple) else plain
            case tuple():
                return tuple(self._plain(one) for one in answer)
        raise AssertionError(f"{answer!r} is nothing that the port answers")

    async def clear(self) -> None:
        """Leave nothing for the next sequence."""
        for key, ref in self.uploads:
            await self.blobs.multipart_abort(key, ref)
        self.uploads.clear()
        self.etags.clear()
        for key in (await self.blobs.list("")).blobs:
            await self.blobs.delete([key.key])


@dataclass(slots=True)
class Pair:
    """Both engines, on one loop that lasts."""

    runner: asyncio.Runner
    files: Side
    s3: Side

    def compare(self, calls: list[Call]) -> None:
        """Run a sequence on both."""
        self.runner.run(self._compare(calls))

    async def _compare(self, calls: list[Call]) -> None:
        try:
            for number, call in enumerate(calls):
                expected, answered = await asyncio.gather(self.files.answer(call), self.s3.answer(call))
                assert answered == expected, f"call {number} of {shown(calls)}"
        finally:
            await asyncio.gather(self.files.clear(), self.s3.clear())


def shown(calls: list[Call]) -> list[Call]:
    """The calls with long bodies as their lengths."""
    return [tuple(f"{len(one)} bytes" if isinstance(one, bytes) and len(one) > 20 else one for one in call) for call in calls]


@pytest.fixture
def pair(own_s3_url: str, tmp_path: Path) -> Iterator[Pair]:
    with asyncio.Runner() as runner:

        async def opened(url: str, name: str) -> Side:
            blobs = open_blobs(url, clock=SystemClock(), url_key=b"k" * 32)
            await blobs.prepare()
            (tmp_path / name).mkdir()
            return Side(blobs=blobs, folder=tmp_path / name)

        made = Pair(runner=runner, files=runner.run(opened(f"file://{tmp_path}/store", "files")), s3=runner.run(opened(own_s3_url, "s3")))
        yield made
        runner.run(made.files.blobs.close())
        runner.run(made.s3.blobs.close())
    shutil.rmtree(tmp_path)


checked = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], database=None)


@pytest.mark.timeout(180)
@settings(checked, max_examples=200)
@given(present=st.lists(keys, max_size=7), calls=st.lists(short_calls, max_size=12))
def test_both_engines_answer_alike(pair: Pair, present: list[str], calls: list[Call]) -> None:
    pair.compare([*(("put", key, BODIES[2], "video/mp4") for key in present), *calls])


@pytest.mark.timeout(120)
@settings(checked, max_examples=20)
@given(
    firsts=st.tuples(st.sampled_from(LONG_BODIES), st.sampled_from(LONG_BODIES)),
    last=st.sampled_from((b"x", BODIES[2])),
    calls=st.lists(st.one_of(short_calls, long_parts), max_size=6),
)
def test_both_engines_join_long_parts_alike(pair: Pair, firsts: tuple[bytes, bytes], last: bytes, calls: list[Call]) -> None:
    begun: list[Call] = [("begin", "a/1"), ("send_part", 0, 1, firsts[0]), ("send_part", 0, 2, last), ("send_part", 0, 1, firsts[1])]
    ended: list[Call] = [("complete", 0, PART + len(last), 1), ("complete", 0, PART + len(last), 0), ("get", "a/1", PART - 5, PART + 5)]
    pair.compare([*begun, *calls, *ended])


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(checked, max_examples=2_000)
@given(calls=st.lists(st.one_of(short_calls, short_calls, short_calls, long_parts), max_size=20))
def test_both_engines_answer_alike_for_long(pair: Pair, calls: list[Call]) -> None:
    pair.compare(calls)
