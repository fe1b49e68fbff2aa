"""One step for each kind of job: from the source and earlier outputs to objects at places that the job alone decides."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh import deadline
from mesh.stores.blobs.port import Blobs
from svc_video.processing import media
from svc_video.processing.media import CONTENT_TYPES, Group, MediaFacts, MediaTools, PerceptualFacts, Recipe, Rendition
from svc_video.processing.places import AUDIO_NAME, POSTER_NAME, PREVIEW_NAME, chunk_object
from svc_video.processing.results import MAX_HASHES, PlannedRendition, ProbeResult
from svc_video.processing.worker.errors import RecipeChanged, SourceRejected
from svc_video.processing.worker.publish import publish, together
from svc_video.processing.worker.scratch import Scratch

_TELLING_QUALITY = 50
"""Frames of less detail than this match one another without being the same picture."""
_COPY_S = 600.0
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A job with what its step may use."""

    job: pb2.Job
    folder: Path
    """Empty, and gone afterwards."""
    report: Callable[[float], None]
    """Takes the share that is done, 0 to 1."""
    still_ours: Callable[[], Awaitable[None]]
    """Raises when the lease is lost."""


class Steps:
    """Does jobs with the tools of this machine."""

    def __init__(self, *, tools: MediaTools, blobs: Blobs, scratch: Scratch) -> None:
        self._tools = tools
        self._blobs = blobs
        self._scratch = scratch

    async def run(self, work: AtWork) -> str:
        """Do one job; its result as JSON, empty where the outputs say everything.

        Raises MediaRejected, MediaToolFailed, SourceRejected, RecipeChanged, BlobsError.
        """
        kind = work.job.kind
        if kind == pb2.JOB_KIND_PROBE:
            return await self._probe(work)
        facts = MediaFacts.from_json(work.job.facts_json)
        recipe = media.make_recipe(facts, self._tools.version)
        if recipe.version != work.job.recipe_version:
            raise RecipeChanged(f"the plan follows {work.job.recipe_version}, this worker {recipe.version}")
        if kind == pb2.JOB_KIND_AUDIO:
            await self._audio(work, facts, recipe)
        elif kind == pb2.JOB_KIND_CHUNK:
            await self._chunk(work, facts, recipe)
        elif kind == pb2.JOB_KIND_PACKAGE:
            await self._package(work, recipe)
        else:
            raise ValueError(f"no step for kind {kind}")
        return ""

    async def _probe(self, work: AtWork) -> str:
        source = await self._source(work.job)
        await asyncio.to_thread(_check_sha256, source, work.job.declared_sha256)
        facts = await media.probe(self._tools, source)
        recipe = media.make_recipe(facts, self._tools.version)
        work.report(0.3)
        seen: list[PerceptualFacts] = []

        async def look() -> None:
            seen.append(await media.perceptual_facts(self._tools, source=source, facts=facts))

        async def picture(name: str, make: Callable[..., Awaitable[Path]]) -> None:
            path = await make(self._tools, source=source, facts=facts, out_dir=work.folder)
            await self._put(work, name, path)

        await together(look(), picture(POSTER_NAME, media.make_poster), picture(PREVIEW_NAME, media.make_preview))
        return probe_result(facts, recipe, seen[0]).to_json()

    async def _audio(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> None:
        source = await self._source(work.job)
        path = await media.encode_audio(
            self._tools, source=source, facts=facts, recipe=recipe, out_dir=work.folder, on_progress=work.report
        )
        if path is not None:
            await self._put(work, AUDIO_NAME, path, content_type="audio/mp4")

    async def _chunk(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> None:
        job = work.job
        encoded = await media.encode_chunk(
            self._tools,
            source=await self._source(job),
            facts=facts,
            recipe=recipe,
            group=Group(job.group),
            chunk=recipe.chunks[job.chunk_index],
            out_dir=work.folder,
            on_progress=work.report,
        )
        for output in encoded:
            key = chunk_object(job.output_prefix, recipe.version, output.rendition, job.chunk_index)
            with deadline.scope(_COPY_S):
                await self._blobs.put_file(key, output.path)

    async def _package(self, work: AtWork, recipe: Recipe) -> None:
        group = Group(work.job.group)
        inputs, tree = work.folder / "inputs", work.folder / "tree"
        for folder in (inputs, tree):
            await asyncio.to_thread(folder.mkdir)
        audio = await self._get(work, AUDIO_NAME, inputs) if recipe.has_audio else None
        renditions = {rendition.name: await self._joined(work, recipe, rendition, inputs) for rendition in recipe.of_group(group)}
        work.report(0.4)
        first = recipe.of_group(Group.FIRST)[0].name
        if group is Group.FIRST:
            whole = await media.mux_fast_start(self._tools, video=renditions[first], audio=audio, out=inputs / f"{first}-whole.mp4")
            await self._put(work, f"{first}.mp4", whole)
            there: tuple[str, ...] = ()
        else:
            # Its picture is taken out again bit by bit; what was published of it stays as it is.
            renditions[first] = await self._get(work, f"{first}.mp4", inputs)
            there = (f"{first}/", "audio/", f"{first}.m3u8")
        packaged = await media.package(self._tools, recipe=recipe, renditions=renditions, audio=audio, out_dir=tree)
        work.report(0.7)
        await publish(
            self._blobs,
            prefix=work.job.output_prefix,
            folder=tree,
            files=[file for file in packaged if not file.name.startswith(there)] if there else packaged,
            before_masters=work.still_ours,
        )

    async def _joined(self, work: AtWork, recipe: Recipe, rendition: Rendition, folder: Path) -> Path:
        chunks = [folder / f"{rendition.name}-{chunk.index:04d}.mp4" for chunk in recipe.chunks]
        for chunk, path in zip(recipe.chunks, chunks, strict=True):
            with deadline.scope(_COPY_S):
                await self._blobs.get_file(chunk_object(work.job.output_prefix, recipe.version, rendition.name, chunk.index), path)
        joined = await media.join_chunks(self._tools, chunks=chunks, recipe=recipe, out=folder / f"{rendition.name}.mp4")
        for path in chunks:
            await asyncio.to_thread(path.unlink)
        return joined

    async def _source(self, job: pb2.Job) -> Path:
        path = await self._scratch.source(job.video_id, job.source_key)
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        if size_bytes != job.source_size_bytes:
            await self._scratch.forget(job.video_id)
            raise SourceRejected("SIZE_MISMATCH", f"{size_bytes} bytes are stored, {job.source_size_bytes} were declared")
        return path

    async def _put(self, work: AtWork, name: str, path: Path, *, content_type: str = "") -> None:
        with deadline.scope(_COPY_S):
            await self._blobs.put_file(work.job.output_prefix + name, path, content_type=content_type or CONTENT_TYPES[Path(name).suffix])

    async def _get(self, work: AtWork, name: str, folder: Path) -> Path:
        with deadline.scope(_COPY_S):
            await self._blobs.get_file(work.job.output_prefix + name, folder / name)
        return folder / name


def probe_result(facts: MediaFacts, recipe: Recipe, seen: PerceptualFacts) -> ProbeResult:
    """What the planner, the publish gate and later workers need."""
    telling = sorted((frame for frame in seen.frames if frame.quality >= _TELLING_QUALITY), key=lambda frame: -frame.quality)
    # As they are first: whoever compares only some sees the most telling ones.
    hashes = [frame.hash_hex for frame in telling] + [turned for frame in telling for turned in frame.dihedral_hex[1:]]
    return ProbeResult(
        facts_json=facts.to_json(),
        recipe_version=recipe.version,
        duration_ms=recipe.duration_ms,
        width=facts.width,
        height=facts.height,
        has_audio=recipe.has_audio,
        chunks=len(recipe.chunks),
        renditions=tuple(
            PlannedRendition(name=rendition.name, group=rendition.group.value, width=rendition.width, height=rendition.height)
            for rendition in recipe.renditions
        ),
        hashes_hex=tuple(hashes[:MAX_HASHES]),
        findings=(("black_ratio", seen.black_share), ("frozen_ratio", seen.frozen_share)),
        has_preview=True,
    )


def _check_sha256(source: Path, declared: bytes) -> None:
    if not declared:
        return
    digest = hashlib.sha256()
    with source.open("rb") as file:
        for piece in iter(partial(file.read, _READ_BYTES), b""):
            digest.update(piece)
    if digest.digest() != declared:
        raise SourceRejected("CHECKSUM_MISMATCH", f"the stored file has sha256 {digest.hexdigest()}, {declared.hex()} was declared")
