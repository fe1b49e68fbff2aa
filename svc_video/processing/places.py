"""Keys of the objects that jobs make, computed from the video, its source and its recipe: whoever does a job again writes the same places."""

from __future__ import annotations

import hashlib

from svc_video.layout import video_prefix, work_prefix

_TELLING_CHARACTERS = 16


def source_work_prefix(video_id: int, source_sha256: str) -> str:
    """What jobs make of one source: other bytes under the same video are other objects. `source_sha256` in hex."""
    return f"{work_prefix(video_id)}{source_sha256[:_TELLING_CHARACTERS]}/"


def published_folder(source_sha256: str, recipe_version: str) -> str:
    """The folder under a video's prefix in which players find what one recipe makes of one source. Who made something by another recipe, and comes
    too late, writes beside it and never over what plays."""
    return _telling(f"{source_sha256} {recipe_version}")


def published_prefix(video_id: int, folder: str) -> str:
    """Where players find a video; `folder` is empty for what was published before there were any."""
    return f"{video_prefix(video_id)}{folder}/" if folder else video_prefix(video_id)


def growing_prefix(prefix: str, recipe_version: str) -> str:
    """What the creator plays before the clip is whole, under a source's work prefix: pieces of another recipe are other objects."""
    return f"{prefix}{_telling(recipe_version)}/growing/"


def chunk_object(prefix: str, recipe_version: str, rendition: str, index: int) -> str:
    """One encoded chunk under a source's work prefix. Its ending is none that the media edge serves, and chunks of another recipe are other
    objects."""
    return f"{prefix}{_telling(recipe_version)}/{rendition}-{index:04d}.chunk"


def _telling(recipe_version: str) -> str:
    return hashlib.sha256(recipe_version.encode()).hexdigest()[:_TELLING_CHARACTERS]
