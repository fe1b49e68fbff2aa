"""Clips made from nothing: moving pictures and music, each different, the same for the same seed; and files of many kinds for tests."""

from devstack.clips.maker import Clip, describe_clip, make_clip
from devstack.clips.variants import BROKEN_KINDS, PLAYABLE_KINDS, make_variants

__all__ = ["BROKEN_KINDS", "PLAYABLE_KINDS", "Clip", "describe_clip", "make_clip", "make_variants"]
