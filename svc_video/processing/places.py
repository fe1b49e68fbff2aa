"""Keys of the objects that jobs make, computed from the video and its recipe alone: whoever does a job again writes the same places."""

from __future__ import annotations

import hashlib

AUDIO_NAME = "audio.mp4"
POSTER_NAME = "poster.jpg"
PREVIEW_NAME = "preview.webp"
_WORK = "work/"


def work_prefix(output_prefix: str) -> str:
    """Everything of a video that goes when its last job is done."""
    return f"{output_prefix}{_WORK}"


def chunk_object(output_prefix: str, recipe_version: str, rendition: str, index: int) -> str:
    """One encoded chunk. Its ending is none that the media edge serves, and chunks of another recipe are other objects."""
    recipe = hashlib.sha256(recipe_version.encode()).hexdigest()[:12]
    return f"{work_prefix(output_prefix)}{recipe}/{rendition}-{index:04d}.chunk"
