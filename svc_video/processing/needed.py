"""Which jobs a video needs, by what its probe found and what is done."""

from __future__ import annotations

from collections.abc import Sequence

from svc_video.processing.results import ProbeResult
from svc_video.processing.tables import (
    AUDIO_KEY,
    FIRST,
    PACKAGE_FIRST_KEY,
    PACKAGE_REST_KEY,
    PICTURES_KEY,
    PROBE_KEY,
    REST,
    chunk_key,
    package_key,
)


def wanted(probed: ProbeResult | None, done: frozenset[str], *, lazy: bool = False, codecs: Sequence[str] = ()) -> tuple[str, ...]:
    """Every job that has to exist once those in `done` are done, in the order in which they are needed; no further renditions when `lazy`.

    Further codecs come one after the other: each adds its renditions to the same playlists."""
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
        keys += _group(probed, REST, done)
    if is_complete(probed, done) and not lazy:
        for codec in codecs:
            keys += _group(probed, codec, done)
            if package_key(codec) not in done:
                break
    return tuple(keys)


def is_complete(probed: ProbeResult, done: frozenset[str], *, lazy: bool = False) -> bool:
    """True when no job of the H.264 ladder is left to do: nothing that any player needs is missing."""
    return PICTURES_KEY in done and (lazy or PACKAGE_REST_KEY in done or not probed.of_group(REST))


def is_over(probed: ProbeResult, done: frozenset[str], *, lazy: bool = False, codecs: Sequence[str] = ()) -> bool:
    """True when no job is left to do."""
    return is_complete(probed, done, lazy=lazy) and (lazy or all(package_key(codec) in done for codec in codecs))


def _group(probed: ProbeResult, group: str, done: frozenset[str]) -> list[str]:
    """The jobs of a group of renditions: what it is made of, while it is not there, and then its package."""
    inputs = [chunk_key(group, index) for index in range(probed.chunks)]
    if package_key(group) in done:
        return [*(key for key in inputs if key in done), package_key(group)]
    return [*inputs, package_key(group)] if done.issuperset(inputs) else inputs
