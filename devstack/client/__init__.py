"""The public API as a stranger's client sees it; simulated people, checks and tests of the whole system use nothing else."""

import uuid

from devstack.client.api import Api
from devstack.client.errors import ApiError

__all__ = ["Api", "ApiError", "new_request_id"]


def new_request_id() -> str:
    """A request id that nobody used before."""
    return str(uuid.uuid4())
