"""Media types: what a client accepts, and what it sends (RFC 9110 12.5.1, GraphQL over HTTP)."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Final

from gateway.execution.deferring import Form, form_of

BOUNDARY: Final = "graphql"
"""Between the parts of a multipart answer, the one that Apollo's servers use; JSON on one line never holds it behind a line's end."""
_SUBSCRIPTION: Final = "subscriptionSpec=1.0"


class Media(enum.StrEnum):
    """What the endpoint can answer with."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"
    EVENTS = "text/event-stream"
    EVENTS_PENDING = f"text/event-stream; {Form.PENDING}"
    EVENTS_PATHS = f"text/event-stream; {Form.PATHS}"
    PARTS_PENDING = f"multipart/mixed; {Form.PENDING}"
    PARTS_PATHS = f"multipart/mixed; {Form.PATHS}"
    PARTS_SUBSCRIPTION = f"multipart/mixed; {_SUBSCRIPTION}"
    PAGE = "text/html"

    @property
    def content_type(self) -> str:
        """As a header."""
        return _CONTENT_TYPES[self]

    @property
    def form(self) -> Form | None:
        """How parts of an answer are written in it; None where an answer is whole."""
        return _FORMS.get(self)

    @property
    def is_events(self) -> bool:
        """True for event streams."""
        return self in _EVENTS

    @property
    def is_multipart(self) -> bool:
        """True for what comes in parts."""
        return self in _MULTIPART


_FORMS: Final = {
    Media.EVENTS_PENDING: Form.PENDING,
    Media.EVENTS_PATHS: Form.PATHS,
    Media.PARTS_PENDING: Form.PENDING,
    Media.PARTS_PATHS: Form.PATHS,
}
_EVENTS: Final = frozenset({Media.EVENTS, Media.EVENTS_PENDING, Media.EVENTS_PATHS})
_MULTIPART: Final = frozenset({Media.PARTS_PENDING, Media.PARTS_PATHS, Media.PARTS_SUBSCRIPTION})
_NAMES: Final = {media.value: media for media in (Media.JSON, Media.GRAPHQL, Media.PAGE)}
_OF_EVENTS: Final = {None: Media.EVENTS, Form.PENDING: Media.EVENTS_PENDING, Form.PATHS: Media.EVENTS_PATHS}
_OF_PARTS: Final = {None: Media.PARTS_PENDING, Form.PENDING: Media.PARTS_PENDING, Form.PATHS: Media.PARTS_PATHS}
_RANGES: Final = frozenset({"*/*", "application/*"})
_SPECS: Final = ("incrementalspec", "deferspec", "subscriptionspec")
MOST_RANGES: Final = 32
_SHORT: Final = 200
"""Characters of a header whose meaning is remembered; clients send the same few."""


def _content_type(media: Media) -> str:
    name, _, parameter = media.value.partition("; ")
    return f'{name}; boundary="{BOUNDARY}"; {parameter}' if media in _MULTIPART else f"{name}; charset=utf-8"


_CONTENT_TYPES: Final = {media: _content_type(media) for media in Media}


def accepted(header: str | None) -> list[Media]:
    """What the client takes of ours, most wanted first; JSON when it says nothing. Empty when it takes nothing of ours.

    A type's own weight counts before the one of a range that holds it: a range gives it no place when it was refused by name.
    """
    if header is None or not header.strip():
        return [Media.JSON]
    return list(_remembered(header) if len(header) <= _SHORT else _accepted(header))


def _accepted(header: str) -> tuple[Media, ...]:
    weighted: list[tuple[float, int, Media]] = []
    refused: set[Media] = set()
    ranges: list[tuple[float, int]] = []
    for position, item in enumerate(header.split(",")[:MOST_RANGES]):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = _weight(parameters)
        if name in _RANGES:
            ranges.append((-weight, position))
        elif (media := _media(name, parameters)) is not None and weight > 0:
            weighted.append((-weight, position, media))
        elif media is not None:
            refused.add(media)
    for minus_weight, position in ranges:
        of_range = next((media for media in (Media.JSON, Media.GRAPHQL) if media not in refused), None)
        if minus_weight and of_range is not None:
            weighted.append((minus_weight, position, of_range))
    return tuple(dict.fromkeys(media for _, _, media in sorted(weighted)))


_remembered: Final = lru_cache(maxsize=256)(_accepted)


def _media(name: str, parameters: list[str]) -> Media | None:
    known = _NAMES.get(name)
    if known is not None or name not in {"text/event-stream", "multipart/mixed"}:
        return known
    specs = _specs(parameters)
    form = form_of(specs)
    if name == "text/event-stream":
        # Who asks for parts in another way than ours takes whole answers, as every client of event streams does.
        return _OF_EVENTS[form]
    if f"subscriptionSpec={specs.get('subscriptionSpec')}" == _SUBSCRIPTION:
        return Media.PARTS_SUBSCRIPTION
    return _OF_PARTS[form] if form is not None or not specs else None


def _specs(parameters: list[str]) -> dict[str, str]:
    """Versions of what the client speaks, by the names that the protocols write."""
    found = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() in _SPECS:
            found[name.strip().replace("spec", "Spec")] = value.strip().strip('"')
    return found


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
    if header == Media.JSON.value:
        return True
    name, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    return name == Media.JSON.value and all(charset in {"utf-8", "utf8"} for charset in charsets)
