"""One step for each kind of job: from the source and earlier outputs to objects at places that the job alone decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh import deadline
from mesh.stores.blobs.port import Blobs
from svc_video.layout import POSTER_NAME, PREVIEW_NAME, STORYBOARD_NAME, WAVEFORM_NAME
from svc_video.processing import media
from svc_video.processing.media import (
    CONTENT_TYPES,
    Group,
    MediaFacts,
    MediaRejected,
    MediaToolFailed,
    MediaTools,
    PackagedFile,
    PerceptualFacts,
    Recipe,
    Rendition,
)
from svc_video.processing.places import chunk_object
from svc_video.processing.results import MAX_HASHES, PackagedRendition, PackageResult, PicturesResult, PlannedRendition, ProbeResult
from svc_video.processing.worker.errors import RecipeChanged, SourceChanged, SourceRejected
from svc_video.processing.worker.publish import publish, together
from svc_video.processing.worker.scratch import Scratch, Source

_TELLING_QUALITY = 50
"""Frames of less detail than this match one another without being the same picture."""
_COPY_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A job with what its step may use."""

    job: pb2.Job
    folder: Path
    """Empty, and gone afterwards."""
    report: Callable[[float], None]
    """Takes the share that is done, 0 to 1."""
    still_ours: Callable[[], Awaitable[None]]
    """Raises when the lease is lost; asked before anything is written that others may see."""


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
            return await self._package(work, recipe)
        elif kind == pb2.JOB_KIND_PICTURES:
            return await self._pictures(work, recipe)
        else:
            raise ValueError(f"no step for kind {kind}")
        return ""

    async def _probe(self, work: AtWork) -> str:
        fetched = await self._source(work.job)
        facts = await media.probe(self._tools, fetched.path)
        recipe = media.make_recipe(facts, self._tools.version)
        return probe_result(facts, recipe, source_sha256=fetched.sha256).to_json()

    async def _audio(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> None:
        source = await self._source(work.job)
        path = await media.encode_audio(
            self._tools, source=source.path, facts=facts, recipe=recipe, out_dir=work.folder, on_progress=work.report
        )
        if path is not None:
            await work.still_ours()
            await self._put(work.job.images_prefix + WAVEFORM_NAME, work.folder / media.WAVEFORM)
            await self._put(work.job.audio_key, path, content_type="audio/mp4")

    async def _chunk(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> None:
        job = work.job
        encoded = await media.encode_chunk(
            self._tools,
            source=(await self._source(job)).path,
            facts=facts,
            recipe=recipe,
            group=Group(job.group),
            chunk=recipe.chunks[job.chunk_index],
            out_dir=work.folder,
            on_progress=work.report,
        )
        await work.still_ours()
        for output in encoded:
            key = chunk_object(job.work_prefix, recipe.version, output.rendition, job.chunk_index)
            with deadline.scope(_COPY_S):
                await self._blobs.put_file(key, output.path)

    async def _package(self, work: AtWork, recipe: Recipe) -> str:
        group = Group(work.job.group)
        inputs, tree = work.folder / "inputs", work.folder / "tree"
        for folder in (inputs, tree):
            await asyncio.to_thread(folder.mkdir)
        audio = await self._get(work.job.audio_key, inputs) if recipe.has_audio else None
        renditions = {rendition.name: await self._joined(work, recipe, rendition, inputs) for rendition in recipe.of_group(group)}
        work.report(0.4)
        first = recipe.of_group(Group.FIRST)[0].name
        if group is Group.FIRST:
            whole = await media.mux_fast_start(self._tools, video=renditions[first], audio=audio, out=inputs / f"{first}-whole.mp4")
            await work.still_ours()
            await self._put(f"{work.job.output_prefix}{first}.mp4", whole)
            there: tuple[str, ...] = ()
        else:
            # Its picture is taken out again bit by bit; what was published of it stays as it is.
            renditions[first] = await self._get(f"{work.job.output_prefix}{first}.mp4", inputs)
            there = (f"{first}/", "audio/", f"{first}.m3u8")
        packaged = await media.package(self._tools, recipe=recipe, renditions=renditions, audio=audio, out_dir=tree)
        work.report(0.7)
        await work.still_ours()
        await publish(
            self._blobs,
            prefix=work.job.output_prefix,
            folder=tree,
            files=[file for file in packaged if not file.name.startswith(there)] if there else packaged,
            before_masters=work.still_ours,
        )
        codecs = media.picture_codecs(await asyncio.to_thread((tree / media.MASTER).read_text))
        return package_result(recipe, group, packaged, codecs).to_json()

    async def _pictures(self, work: AtWork, recipe: Recipe) -> str:
        """What shows the clip and what is seen of it, from its first rendition: quick to look into, and known to be whole."""
        first = recipe.of_group(Group.FIRST)[0]
        source = await self._get(f"{work.job.output_prefix}{first.name}.mp4", work.folder)
        facts = media.facts_of_made(recipe, first, size_bytes=(await asyncio.to_thread(source.stat)).st_size)
        tools, out_dir, prefix = self._tools, work.folder, work.job.images_prefix
        seen: list[PerceptualFacts] = []
        boards: list[tuple[Path, Path] | None] = []

        async def look() -> None:
            seen.append(await media.perceptual_facts(tools, source=source, facts=facts))

        async def picture(name: str, make: Callable[..., Awaitable[Path]]) -> None:
            path = await make(tools, source=source, facts=facts, out_dir=out_dir)
            await work.still_ours()
            await self._put(prefix + name, path)

        async def storyboard() -> None:
            boards.append(await media.make_storyboard(tools, source=source, recipe=recipe, rendition=first, out_dir=out_dir))
            if boards[0] is not None:
                sheet, cues = boards[0]
                await work.still_ours()
                await self._put(prefix + sheet.name, sheet)
                await self._put(prefix + STORYBOARD_NAME, cues)

        try:
            await together(look(), picture(POSTER_NAME, media.make_poster), picture(PREVIEW_NAME, media.make_preview), storyboard())
        except MediaRejected as rejected:
            # What we made ourselves says nothing about the creator's bytes: another try may find it whole.
            raise MediaToolFailed("ffmpeg", problem=f"cannot read {first.name}.mp4 back: {rejected.detail}") from rejected
        return pictures_result(seen[0], has_storyboard=boards[0] is not None).to_json()

    async def _joined(self, work: AtWork, recipe: Recipe, rendition: Rendition, folder: Path) -> Path:
        chunks = [folder / f"{rendition.name}-{chunk.index:04d}.mp4" for chunk in recipe.chunks]
        for chunk, path in zip(recipe.chunks, chunks, strict=True):
            with deadline.scope(_COPY_S):
                await self._blobs.get_file(chunk_object(work.job.work_prefix, recipe.version, rendition.name, chunk.index), path)
        joined = await media.join_chunks(self._tools, chunks=chunks, recipe=recipe, out=folder / f"{rendition.name}.mp4")
        for path in chunks:
            await asyncio.to_thread(path.unlink)
        return joined

    async def _source(self, job: pb2.Job) -> Source:
        source = await self._scratch.source(job.video_id, job.source_key)
        try:
            _check_source(source, job)
        except (SourceRejected, SourceChanged):
            await self._scratch.forget(job.video_id)
            raise
        return source

    async def _put(self, key: str, path: Path, *, content_type: str = "") -> None:
        with deadline.scope(_COPY_S):
            await self._blobs.put_file(key, path, content_type=content_type or CONTENT_TYPES[path.suffix])

    async def _get(self, key: str, folder: Path) -> Path:
        path = folder / key.rpartition("/")[2]
        with deadline.scope(_COPY_S):
            await self._blobs.get_file(key, path)
        return path


def _check_source(source: Source, job: pb2.Job) -> None:
    """In the probe the source has to be the one that was declared, ever after the one that was probed."""
    if job.source_sha256:
        if source.sha256 != job.source_sha256:
            raise SourceChanged(f"the stored file has sha256 {source.sha256.hex()}, {job.source_sha256.hex()} was probed")
        return
    if source.size_bytes != job.source_size_bytes:
        raise SourceRejected("SIZE_MISMATCH", f"{source.size_bytes} bytes are stored, {job.source_size_bytes} were declared")
    if job.declared_sha256 and source.sha256 != job.declared_sha256:
        detail = f"the stored file has sha256 {source.sha256.hex()}, {job.declared_sha256.hex()} was declared"
        raise SourceRejected("CHECKSUM_MISMATCH", detail)


def probe_result(facts: MediaFacts, recipe: Recipe, *, source_sha256: bytes) -> ProbeResult:
    """What the planner and later workers need."""
    return ProbeResult(
        facts_json=facts.to_json(),
        source_sha256=source_sha256.hex(),
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
        has_waveform=recipe.has_audio,
    )


def pictures_result(seen: PerceptualFacts, *, has_storyboard: bool) -> PicturesResult:
    """What the publish gate and players need."""
    telling = sorted((frame for frame in seen.frames if frame.quality >= _TELLING_QUALITY), key=lambda frame: -frame.quality)
    # As they are first: whoever compares only some sees the most telling ones.
    hashes = [frame.hash_hex for frame in telling] + [turned for frame in telling for turned in frame.dihedral_hex[1:]]
    return PicturesResult(
        hashes_hex=tuple(hashes[:MAX_HASHES]),
        findings=(("black_ratio", seen.black_share), ("frozen_ratio", seen.frozen_share)),
        has_storyboard=has_storyboard,
    )


def package_result(recipe: Recipe, group: Group, packaged: Sequence[PackagedFile], codecs: Mapping[str, str]) -> PackageResult:
    """What was published of a group."""
    made = []
    for rendition in recipe.of_group(group):
        folder = f"{rendition.name}/"
        size_bytes = sum(file.size_bytes for file in packaged if file.name.startswith(folder) and not file.name.endswith(".m3u8"))
        bitrate_bps = size_bytes * 8_000 // recipe.duration_ms
        made.append(PackagedRendition(name=rendition.name, codec=codecs[rendition.name], bitrate_bps=bitrate_bps, size_bytes=size_bytes))
    return PackageResult(renditions=tuple(made))
