"""The Node interface: whatever has an id of its own."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="Whatever has an id of its own.")
class Node:
    id: strawberry.ID
