"""Between the nouns of pictures and the protos, one function each way."""

from __future__ import annotations

from clipmesh.video.v1 import image_service_pb2 as pb2

from svc_video.images.actions import Place, Shown


def place_to_proto(place: Place) -> pb2.StartImageResponse:
    """Where a picture goes."""
    return pb2.StartImageResponse(image_id=place.image_id, url=place.url, expires_at_ms=place.expires_at_ms)


def shown_to_proto(shown: Shown) -> pb2.Image:
    """Where the squares of a picture are."""
    return pb2.Image(image_id=shown.image_id, root_path=shown.root_path, sides=shown.sides, expires_at_ms=shown.expires_at_ms)
