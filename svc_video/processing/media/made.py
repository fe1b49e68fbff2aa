"""Facts of a rendition that we made ourselves: known from its recipe, so that nobody has to probe it."""

from fractions import Fraction

from svc_video.processing.media.encoders import TIMESCALE
from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.recipe import Recipe, Rendition


def facts_of_made(recipe: Recipe, rendition: Rendition, *, size_bytes: int) -> MediaFacts:
    """Facts of a whole rendition as one MP4, whatever the source was: upright, 8-bit BT.709, pictures at an even rate from time zero."""
    return MediaFacts(
        container="mov",
        size_bytes=size_bytes,
        duration_ms=recipe.duration_ms,
        stream_index=0,
        codec="h264",
        width=rendition.width,
        height=rendition.height,
        coded_width=rendition.width,
        coded_height=rendition.height,
        rotation=0,
        fps=Fraction(recipe.fps),
        variable_frame_rate=False,
        longest_frame_ms=1000 // recipe.fps,
        pixel_format="yuv420p",
        bit_depth=8,
        hdr="",
        color_matrix="bt709",
        color_range="tv",
        interlaced=False,
        time_base=Fraction(1, TIMESCALE),
        video_start_ticks=0,
        container_start_us=0,
        audio=None,
    )
