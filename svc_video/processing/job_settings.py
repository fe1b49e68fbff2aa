"""What jobs read of the settings of the service."""

from __future__ import annotations

from typing import Protocol


class JobSettings(Protocol):
    """The settings that jobs read."""

    @property
    def job_lease_ms(self) -> int:
        """How long a worker holds a job without a heartbeat."""
        ...

    @property
    def job_retry_ms(self) -> int:
        """Pause before the second attempt; four times as long before each further one."""
        ...

    @property
    def job_ageing_ms(self) -> int:
        """How much longer than first renditions further ones wait before they count as equally urgent."""
        ...

    @property
    def job_tier_ms(self) -> int:
        """How much longer each tier of creators waits than the one before."""
        ...

    @property
    def job_lazy(self) -> bool:
        """Whether further renditions wait until somebody asks for one."""
        ...

    @property
    def job_codecs(self) -> str:
        """Further codecs."""
        ...

    @property
    def job_codecs_from_views(self) -> int:
        """How many views a clip has to have before it gets them; 0: every clip gets them."""
        ...

    @property
    def job_off_peak(self) -> str:
        """When work is done that can wait; empty: at any time."""
        ...
