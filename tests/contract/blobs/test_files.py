"""The engine on files passes the contract of the port."""

from __future__ import annotations

from mesh.testing.blobs import BlobsContract


class TestFileBlobs(BlobsContract):
    """All promises, nothing else."""
