"""Filter graphs: from decoded pictures to every rendition of a group, at the clip's rate, size, colours and exact length."""

from collections.abc import Sequence

from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.recipe import Chunk, Recipe, Rendition

_SWS = "bicubic+accurate_rnd+bitexact"
_IN_MATRIX = {"bt709": "bt709", "bt601": "bt601", "bt2020nc": "bt2020"}
_TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}
_ROUNDING_FRAMES = 2
_TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


def pictures(facts: MediaFacts, recipe: Recipe, chunk: Chunk) -> str:
    """The chunk's pictures on the clip's grid: which source picture shows at which moment depends on the clip's zero only,
    so neighbouring chunks fit whatever was decoded before them."""
    start_s = f"{chunk.start_ms // 1000}"
    filters = [
        f"setpts=PTS-({facts.video_start_ticks})",
        f"fps=fps={recipe.fps}:start_time={start_s}:round=near",
        # The last picture has no successor to end it. More than it may stay is not padded: then pictures are missing.
        f"tpad=stop={facts.longest_frame_ms * recipe.fps // 1000 + _ROUNDING_FRAMES}:stop_mode=clone",
        f"trim=end_frame={chunk.frames}",
        f"settb=1/{recipe.fps}",
        "setpts=N",
    ]
    if facts.interlaced:
        filters.insert(0, "bwdif=mode=send_frame:deint=interlaced")
    return ",".join(filters)


def first_scale(facts: MediaFacts, width: int, height: int) -> str:
    """Scales and brings any source colours to 8-bit limited-range BT.709."""
    size = f"scale=w={width}:h={height}:flags={_SWS}"
    source = f"in_color_matrix={_IN_MATRIX[facts.color_matrix]}:in_range={facts.color_range}"
    if facts.hdr:
        # Tone mapping costs by the pixel, so it comes after the scaling, which keeps all ten bits.
        source = f"{source}:out_color_matrix=bt2020:out_range=tv,format=yuv420p10le,scale=in_color_matrix=bt2020:in_range=tv"
        source += f":in_primaries=bt2020:in_transfer={_TRANSFERS[facts.hdr]}:out_primaries=bt709:out_transfer=bt709:intent=perceptual"
    return f"{size}:{source}:out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1,{_TAGS}"


def cascade(facts: MediaFacts, recipe: Recipe, chunk: Chunk, stream: str, renditions: Sequence[Rendition], *, upload: str = "") -> str:
    """One decode, every rendition: each size is scaled from the next larger one; outputs are labelled [out0], [out1], ... `upload` is what brings
    them to their encoder."""
    bring = f",{upload}" if upload else ""
    parts = []
    source = f"[{stream}]{pictures(facts, recipe, chunk)},"
    for index, rendition in enumerate(renditions):
        last = index == len(renditions) - 1
        scale = (
            first_scale(facts, rendition.width, rendition.height)
            if index == 0
            else f"scale=w={rendition.width}:h={rendition.height}:flags={_SWS},setsar=1"
        )
        if last:
            parts.append(f"{source}{scale}{bring}[out{index}]")
        elif bring:
            parts += [f"{source}{scale},split[made{index}][next{index}]", f"[made{index}]{upload}[out{index}]"]
        else:
            parts.append(f"{source}{scale},split[out{index}][next{index}]")
        source = f"[next{index}]"
    return ";".join(parts)
