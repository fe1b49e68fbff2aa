"""The media toolbox: everything that touches ffmpeg, ffprobe and the packager; no gRPC, no stores, no mesh.

A worker's walk through it:

    tools = locate_tools()
    facts = await probe(tools, source)                          # or MediaRejected
    facts = replace(facts, complexity=await measure_complexity(tools, source, facts, scratch=...))
    recipe = make_recipe(facts, tools.version)
    for chunk in recipe.chunks:                                 # in any order, on any machine
        await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=chunk, out_dir=...)
    audio = await encode_audio(tools, source=source, facts=facts, recipe=recipe, out_dir=...)
    joined = await join_chunks(tools, chunks=[...], recipe=recipe, out=...)
    await mux_fast_start(tools, video=joined, audio=audio, out=...)
    listing = await package(tools, recipe=recipe, renditions={"720p": joined}, audio=audio, out_dir=...)
    whole = facts_of_made(recipe, first, size_bytes=...)        # of the fast-start MP4: no further step reads the creator's bytes for pictures
    await make_poster(tools, source=..., facts=whole, out_dir=...)  # and make_preview, perceptual_facts, make_storyboard
    # and again with the renditions of Group.REST

Facts travel between machines as `facts.to_json()`; the recipe is computed again from them, never stored.
"""

from svc_video.processing.media.beside import package_beside
from svc_video.processing.media.check import check_growing, check_mp4, check_tree
from svc_video.processing.media.choosing import CHOICES, choose_encoder
from svc_video.processing.media.complexity import measure_complexity
from svc_video.processing.media.encode import EncodedChunk, OnProgress, encode_audio, encode_chunk
from svc_video.processing.media.errors import (
    MediaError,
    MediaRejected,
    MediaToolFailed,
    MediaToolMissing,
    MediaToolOverLimit,
    MediaToolTimedOut,
    RejectReason,
)
from svc_video.processing.media.facts import AudioFacts, MediaFacts
from svc_video.processing.media.hashes import FrameHash, PerceptualFacts, hamming, pdq, perceptual_facts
from svc_video.processing.media.images import make_poster, make_preview
from svc_video.processing.media.join import join_chunks, mux_fast_start
from svc_video.processing.media.kernel import confinement
from svc_video.processing.media.made import facts_of_made
from svc_video.processing.media.package import CONTENT_TYPES, MANIFEST, MASTER, PackagedFile, package, picture_codecs
from svc_video.processing.media.pieces import Pieces, audio_pieces, picture_pieces
from svc_video.processing.media.probe import probe
from svc_video.processing.media.recipe import Chunk, Codec, Group, Recipe, Rendition, make_recipe, recipe_version
from svc_video.processing.media.storyboard import CUES, SHEET, make_storyboard
from svc_video.processing.media.tools import MediaTools, locate_tools
from svc_video.processing.media.waveform import WAVEFORM

__all__ = [
    "CHOICES",
    "CONTENT_TYPES",
    "CUES",
    "MANIFEST",
    "MASTER",
    "SHEET",
    "WAVEFORM",
    "AudioFacts",
    "Chunk",
    "Codec",
    "EncodedChunk",
    "FrameHash",
    "Group",
    "MediaError",
    "MediaFacts",
    "MediaRejected",
    "MediaToolFailed",
    "MediaToolMissing",
    "MediaToolOverLimit",
    "MediaToolTimedOut",
    "MediaTools",
    "OnProgress",
    "PackagedFile",
    "PerceptualFacts",
    "Pieces",
    "Recipe",
    "RejectReason",
    "Rendition",
    "audio_pieces",
    "check_growing",
    "check_mp4",
    "check_tree",
    "choose_encoder",
    "confinement",
    "encode_audio",
    "encode_chunk",
    "facts_of_made",
    "hamming",
    "join_chunks",
    "locate_tools",
    "make_poster",
    "make_preview",
    "make_recipe",
    "make_storyboard",
    "measure_complexity",
    "mux_fast_start",
    "package",
    "package_beside",
    "pdq",
    "perceptual_facts",
    "picture_codecs",
    "picture_pieces",
    "probe",
    "recipe_version",
]
