"""Sets of roles and purposes as bits of one integer column: bit n stands for enum value n."""

from __future__ import annotations

from collections.abc import Iterable

from clipmesh.common.v1 import viewer_pb2


def mask_of(values: Iterable[int]) -> int:
    """The bits of some enum values."""
    mask = 0
    for value in values:
        mask |= 1 << value
    return mask


def _values(mask: int) -> Iterable[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def roles_of(mask: int) -> tuple[viewer_pb2.Role.ValueType, ...]:
    """The roles in a mask, smallest number first."""
    return tuple(viewer_pb2.Role.ValueType(bit) for bit in _values(mask))


def purposes_of(mask: int) -> tuple[viewer_pb2.ConsentPurpose.ValueType, ...]:
    """The purposes in a mask, smallest number first."""
    return tuple(viewer_pb2.ConsentPurpose.ValueType(bit) for bit in _values(mask))
