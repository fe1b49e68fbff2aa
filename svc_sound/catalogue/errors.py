"""Errors of the catalogue.

NotFound
└── SoundNotFound    SOUND_NOT_FOUND
"""

from __future__ import annotations

from mesh.errors import NotFound


class SoundNotFound(NotFound):
    """There is no such sound."""

    reason = "SOUND_NOT_FOUND"
