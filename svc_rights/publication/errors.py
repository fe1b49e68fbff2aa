"""Errors of publication.

MeshError
└── FailedPrecondition
    └── PublicationOutdated
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition


class PublicationOutdated(FailedPrecondition):
    """The publication was assessed in a newer version."""

    reason = "PUBLICATION_OUTDATED"
