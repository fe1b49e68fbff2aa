"""Errors of engagement.

MeshError
├── NotFound
│   └── CollectionNotFound
└── FailedPrecondition
    └── TooManyCollections
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, NotFound


class CollectionNotFound(NotFound):
    """The viewer has no such collection."""

    reason = "COLLECTION_NOT_FOUND"


class TooManyCollections(FailedPrecondition):
    """A person has at most 200 collections; delete one first."""

    reason = "TOO_MANY_COLLECTIONS"
