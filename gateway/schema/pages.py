"""Relay connections: edges, opaque cursors, page info (the Relay cursor connections specification)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import strawberry

from gateway.errors import Fault

MOST = 100


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


def page_size(first: int, *, most: int = MOST) -> int:
    """How many are asked for. Raises the fault BAD_USER_INPUT outside 1..most."""
    if not 1 <= first <= most:
        raise Fault("BAD_USER_INPUT", f"first lies between 1 and {most}")
    return first


def page_info(cursors: list[str], *, has_next: bool, after: str | None) -> PageInfo:
    """Page info of a forward page; `hasPreviousPage` is true when it continues another."""
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=bool(after),
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a forward page begins: a service's page token, and how many items of that page were passed already."""

    token: str = ""
    skip: int = 0

    def encode(self) -> str:
        """The cursor as clients see it."""
        return base64.urlsafe_b64encode(f"{self.skip}:{self.token}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, cursor: str | None) -> Place:
        """The place of a cursor, the start for none. Raises the fault BAD_CURSOR for what is none of ours."""
        if not cursor:
            return cls()
        try:
            skip, _, token = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition(":")
            place = cls(token, int(skip))
        except ValueError as error:
            raise Fault("BAD_CURSOR", "that is no cursor of this list") from error
        if not 0 <= place.skip < MOST:
            raise Fault("BAD_CURSOR", "that is no cursor of this list")
        return place

    def cursors(self, count: int, next_token: str) -> list[str]:
        """Cursors of the `count` items that follow this place; the last one starts the service's next page."""
        if not count:
            return []
        inner = [Place(self.token, self.skip + number).encode() for number in range(1, count)]
        return [*inner, Place(next_token).encode() if next_token else Place(self.token, self.skip + count).encode()]


def ends_of(cursors: list[str], next_token: str) -> list[str]:
    """Where a page begins and ends. One that found nothing continues all the same, where the service's next page begins."""
    return cursors or ([Place(next_token).encode()] if next_token else [])
