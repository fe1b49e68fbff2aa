"""One step for each kind of job: from the source and earlier outputs to objects at places that the job alone decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh import deadline
from mesh.stores.blobs.port import Blobs
from mesh.telemetry import Telemetry
from svc_video.layout import POSTER_NAME, PREVIEW_NAME, STORYBOARD_NAME, WAVEFORM_NAME
from svc_video.processing import media
from svc_video.processing.media import (
    CONTENT_TYPES,
    Codec,
    Group,
    MediaFacts,
    MediaRejected,
    MediaToolFailed,
    MediaTools,
    PackagedFile,
    PerceptualFacts,
    Pieces,
    Recipe,
    Rendition,
)
from svc_video.processing.places import chunk_object, growing_prefix
from svc_video.processing.worker.errors import RecipeChanged, SourceChanged, SourceRejected
from svc_video.processing.worker.publish import publish, put_all, together
from svc_video.processing.worker.scratch import Scratch, Source
from svc_video.processing.worker.telling import package_result, pictures_result, pieces_result, probe_result

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

    def __init__(self, *, tools: MediaTools, blobs: Blobs, scratch: Scratch, telemetry: Telemetry) -> None:
        self._tools = tools
        self._blobs = blobs
        self._scratch = scratch
        self._span = telemetry.span

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
            return await self._audio(work, facts, recipe)
        if kind == pb2.JOB_KIND_CHUNK:
            return await self._chunk(work, facts, recipe)
        if kind == pb2.JOB_KIND_PACKAGE:
            return await self._package(work, recipe)
        if kind == pb2.JOB_KIND_PICTURES:
            return await self._pictures(work, recipe)
        raise ValueError(f"no step for kind {kind}")

    async def _probe(self, work: AtWork) -> str:
        fetched = await self._source(work.job)
        with self._span("probe"):
            facts = await media.probe(self._tools, fetched.path, scratch=work.folder)
        with self._span("complexity"):
            complexity = await media.measure_complexity(self._tools, fetched.path, facts, scratch=work.folder)
        facts = replace(facts, complexity=complexity)
        recipe = media.make_recipe(facts, self._tools.version)
        return probe_result(facts, recipe, source_sha256=fetched.sha256).to_json()

    async def _audio(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> str:
        source = await self._source(work.job)
        with self._span("encode audio"):
            path = await media.encode_audio(
                self._tools, source=source.path, facts=facts, recipe=recipe, out_dir=work.folder, on_progress=work.report
            )
        if path is None:
            return ""
        with self._span("pieces"):
            pieces = await media.audio_pieces(self._tools, audio=path, out_dir=await _made(work.folder / "pieces"))
        await work.still_ours()
        await together(
            self._put(work.job.images_prefix + WAVEFORM_NAME, work.folder / media.WAVEFORM),
            self._put(work.job.audio_key, path, content_type="audio/mp4"),
            self._put_pieces(work, recipe, pieces),
        )
        return pieces_result(pieces, peak_kbps=recipe.audio_peak_kbps).to_json()

    async def _chunk(self, work: AtWork, facts: MediaFacts, recipe: Recipe) -> str:
        job = work.job
        source, group = await self._source(job), Group(job.group)
        with self._span("encode chunk", attributes={"renditions": ",".join(one.name for one in recipe.of_group(group))}):
            encoded = await media.encode_chunk(
                self._tools,
                source=source.path,
                facts=facts,
                recipe=recipe,
                group=group,
                chunk=recipe.chunks[job.chunk_index],
                out_dir=work.folder,
                on_progress=work.report,
            )
        pieces = await self._pieces(work, recipe, encoded[0].path) if group is Group.FIRST else None
        await work.still_ours()
        for output in encoded:
            key = chunk_object(job.work_prefix, recipe.version, output.rendition, job.chunk_index)
            with deadline.scope(_COPY_S):
                await self._blobs.put_file(key, output.path)
        if pieces is None:
            return ""
        await self._put_pieces(work, recipe, pieces)
        [rendition] = recipe.of_group(group)
        return pieces_result(pieces, peak_kbps=rendition.peak_kbps, fps=recipe.fps).to_json()

    async def _pieces(self, work: AtWork, recipe: Recipe, encoded: Path) -> Pieces:
        """What the creator can play of a chunk before the clip is whole."""
        [rendition] = recipe.of_group(Group.FIRST)
        chunk, folder = recipe.chunks[work.job.chunk_index], await _made(work.folder / "pieces")
        with self._span("pieces"):
            return await media.picture_pieces(self._tools, rendition=rendition, chunk=chunk, encoded=encoded, out_dir=folder)

    async def _put_pieces(self, work: AtWork, recipe: Recipe, pieces: Pieces) -> None:
        """All have one init segment but for the length of the clip that it tells: that of the first is the one that is named."""
        prefix = growing_prefix(work.job.work_prefix, recipe.version)
        paths = [*((pieces.init,) if pieces.first == 1 else ()), *pieces.segments]
        with deadline.scope(_COPY_S):
            await put_all(self._blobs, {f"{prefix}{path.parent.name}/{path.name}": path for path in paths}, content_type="video/mp4")

    async def _package(self, work: AtWork, recipe: Recipe) -> str:
        group = Group(work.job.group)
        if group.codec is not Codec.H264:
            return await self._package_beside(work, recipe, group)
        inputs, tree = await _made(work.folder / "inputs"), await _made(work.folder / "tree")
        audio = await self._get(work.job.audio_key, inputs) if recipe.has_audio else None
        renditions = {rendition.name: await self._joined(work, recipe, rendition, inputs) for rendition in recipe.of_group(group)}
        work.report(0.4)
        first = recipe.of_group(Group.FIRST)[0].name
        packaged: list[PackagedFile] = []

        async def cut() -> None:
            with self._span("package"):
                packaged.extend(await media.package(self._tools, recipe=recipe, renditions=renditions, audio=audio, out_dir=tree))

        there: tuple[str, ...] = ()
        if group is Group.FIRST:
            await together(cut(), self._fast_start(work, video=renditions[first], audio=audio, name=f"{first}.mp4"))
        else:
            # Its picture is taken out again bit by bit; what was published of it stays as it is.
            renditions[first] = await self._get(f"{work.job.output_prefix}{first}.mp4", inputs)
            there = (f"{first}/", "audio/", f"{first}.m3u8")
            await cut()
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

    async def _package_beside(self, work: AtWork, recipe: Recipe, group: Group) -> str:
        """A further codec: what plays keeps its bytes, its playlists grow."""
        inputs, tree = await _made(work.folder / "inputs"), await _made(work.folder / "tree")
        audio = await self._get(work.job.audio_key, inputs) if recipe.has_audio else None
        renditions = {rendition.name: await self._joined(work, recipe, rendition, inputs) for rendition in recipe.of_group(group)}
        work.report(0.4)
        ladder = [await self._get(f"{work.job.output_prefix}{name}", inputs) for name in (media.MASTER, media.MANIFEST)]
        master, manifest = [await asyncio.to_thread(path.read_text) for path in ladder]
        with self._span("package"):
            packaged = await media.package_beside(
                self._tools, group=group, renditions=renditions, audio=audio, out_dir=tree, master=master, manifest=manifest
            )
        work.report(0.7)
        await work.still_ours()
        await publish(self._blobs, prefix=work.job.output_prefix, folder=tree, files=packaged, before_masters=work.still_ours)
        codecs = media.picture_codecs(await asyncio.to_thread((tree / media.MASTER).read_text))
        return package_result(recipe, group, packaged, codecs).to_json()

    async def _fast_start(self, work: AtWork, *, video: Path, audio: Path | None, name: str) -> None:
        whole = await media.mux_fast_start(self._tools, video=video, audio=audio, out=work.folder / name)
        await work.still_ours()
        await self._put(f"{work.job.output_prefix}{name}", whole)

    async def _pictures(self, work: AtWork, recipe: Recipe) -> str:
        """What shows the clip and what is seen of it, from its first rendition: quick to look into, and known to be whole."""
        first = recipe.of_group(Group.FIRST)[0]
        source = await self._get(f"{work.job.output_prefix}{first.name}.mp4", work.folder)
        facts = media.facts_of_made(recipe, first, size_bytes=(await asyncio.to_thread(source.stat)).st_size)
        tools, out_dir, prefix = self._tools, work.folder, work.job.images_prefix
        seen: list[PerceptualFacts] = []
        boards: list[tuple[Path, Path] | None] = []

        async def look() -> None:
            with self._span("hashes"):
                seen.append(await media.perceptual_facts(tools, source=source, facts=facts, scratch=out_dir))

        async def picture(name: str, make: Callable[..., Awaitable[Path]]) -> None:
            with self._span(name.partition(".")[0]):
                path = await make(tools, source=source, facts=facts, out_dir=out_dir)
            await work.still_ours()
            await self._put(prefix + name, path)

        async def storyboard() -> None:
            with self._span("storyboard"):
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
        with self._span(f"join {rendition.name}"):
            out = folder / f"{rendition.name}.mp4"
            joined = await media.join_chunks(self._tools, chunks=chunks, recipe=recipe, out=out, codec=rendition.codec)
        for path in chunks:
            await asyncio.to_thread(path.unlink)
        return joined

    async def _source(self, job: pb2.Job) -> Source:
        with self._span("source"):
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


async def _made(folder: Path) -> Path:
    await asyncio.to_thread(folder.mkdir)
    return folder
