"""One hostile file: how it is written, and what has to come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Either a named reason, or facts of a file that is accepted."""

    write: Callable[[], bytes]
    reason: str = ""
    says: str = ""
    """Words that the detail of the refusal has to have, where another fault would get the same reason."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the facts of an accepted file have to say, beside its being accepted."""
    slow: bool = False
    """It takes seconds of CPU: for the long tier."""
