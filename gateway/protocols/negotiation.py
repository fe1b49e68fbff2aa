"""Media types: what a client accepts, and what it sends (RFC 9110 12.5.1, GraphQL over HTTP)."""

from __future__ import annotations

import enum


class Media(enum.StrEnum):
    """What the endpoint can answer with."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"
    EVENTS = "text/event-stream"
    PAGE = "text/html"

    @property
    def content_type(self) -> str:
        """As a header."""
        return f"{self.value}; charset=utf-8"


_NAMES = {media.value: media for media in Media}
_RANGES = frozenset({"*/*", "application/*"})
MOST_RANGES = 32


def accepted(header: str | None) -> list[Media]:
    """What the client takes of ours, most wanted first; JSON when it says nothing. Empty when it takes nothing of ours.

    A type's own weight counts before the one of a range that holds it: a range gives it no place when it was refused by name.
    """
    if header is None or not header.strip():
        return [Media.JSON]
    weighted: list[tuple[float, int, Media]] = []
    refused: set[Media] = set()
    ranges: list[tuple[float, int]] = []
    for position, item in enumerate(header.split(",")[:MOST_RANGES]):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = _weight(parameters)
        if name in _RANGES:
            ranges.append((-weight, position))
        elif (media := _NAMES.get(name)) is not None and weight > 0:
            weighted.append((-weight, position, media))
        elif media is not None:
            refused.add(media)
    for minus_weight, position in ranges:
        of_range = next((media for media in (Media.JSON, Media.GRAPHQL) if media not in refused), None)
        if minus_weight and of_range is not None:
            weighted.append((minus_weight, position, of_range))
    return list(dict.fromkeys(media for _, _, media in sorted(weighted)))


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def is_json(header: str) -> bool:
    """True for a content type of JSON in UTF-8, the only one that is taken: pages of other origins cannot send it unasked."""
    name, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    return name == Media.JSON.value and all(charset in {"utf-8", "utf8"} for charset in charsets)
