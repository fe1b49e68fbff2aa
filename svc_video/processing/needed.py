"""Which jobs a video needs, by what its probe found and what is done."""

from __future__ import annotations

from svc_video.processing.results import ProbeResult
from svc_video.processing.tables import AUDIO_KEY, FIRST, PACKAGE_FIRST_KEY, PACKAGE_REST_KEY, PICTURES_KEY, PROBE_KEY, REST, chunk_key


def wanted(probed: ProbeResult | None, done: frozenset[str], *, lazy: bool = False) -> tuple[str, ...]:
    """Every job that has to exist once those in `done` are done, in the order in which they are needed; no further renditions when `lazy`."""
    if probed is None:
        return (PROBE_KEY,)
    inputs = [chunk_key(FIRST, index) for index in range(probed.chunks)]
    if probed.has_audio:
        inputs.insert(0, AUDIO_KEY)
    plays = PACKAGE_FIRST_KEY in done
    # What a clip that plays was made of is not made again, though a later probe may have cut it into other chunks.
    keys = [PROBE_KEY, *(key for key in inputs if key in done or not plays)]
    if plays or done.issuperset(inputs):
        keys.append(PACKAGE_FIRST_KEY)
    if plays:
        keys.append(PICTURES_KEY)
    # Whatever becomes of further renditions, the gate has been told by then what is seen.
    if PICTURES_KEY in done and probed.of_group(REST) and not lazy:
        inputs = [chunk_key(REST, index) for index in range(probed.chunks)]
        keys += inputs
        if done.issuperset(inputs):
            keys.append(PACKAGE_REST_KEY)
    return tuple(keys)


def is_complete(probed: ProbeResult, done: frozenset[str], *, lazy: bool = False) -> bool:
    """True when no job is left to do."""
    return PICTURES_KEY in done and (lazy or PACKAGE_REST_KEY in done or not probed.of_group(REST))
