"""What a tables engine can answer besides success; also for those who never touch a row, because what failed below reaches them."""

from __future__ import annotations

from typing import Any


class TablesError(Exception):
    """Base of what a tables engine can answer besides success.

    TablesError
    ├── RowExists         insert met a row
    ├── VersionConflict   the row is not in the expected version
    ├── BatchTooLarge     rows and events exceed MAX_BATCH_BYTES
    ├── OutcomeUnknown    the write may or may not have happened; settle() tells
    ├── TablesUnavailable the store cannot be reached or is out of time before anything was written
    ├── InvalidUse        the call breaks a rule of the port (a bug of the caller)
    ├── TablesInUse       at open: another process holds the store
    └── IncompatibleTable at open: what is stored and what is declared do not go together
    """


class RowExists(TablesError):
    """Insert met a row with that key; `row` is what stands there."""

    def __init__(self, row: Any) -> None:
        super().__init__(f"{type(row).__name__} exists")
        self.row = row


class VersionConflict(TablesError):
    """The row is not in the expected version; `row` is what stands there, None when it is gone."""

    def __init__(self, row: Any) -> None:
        super().__init__(f"found version {getattr(row, 'version', None)}")
        self.row = row


class BatchTooLarge(TablesError):
    """Rows and events together exceed MAX_BATCH_BYTES; nothing was written."""


class OutcomeUnknown(TablesError):
    """The write may or may not have happened; pass `token` to `settle`."""

    def __init__(self, token: str) -> None:
        super().__init__("the outcome of a write is unknown")
        self.token = token


class TablesUnavailable(TablesError):
    """The store cannot be reached or the deadline passed; nothing was written."""


class InvalidUse(TablesError):
    """The call breaks a rule of the port; nothing was written."""


class TablesInUse(TablesError):
    """Another process has the store open; an embedded store belongs to one process, others go through its RPCs."""


class IncompatibleTable(TablesError):
    """A stored table and its declaration differ in more than new columns; the store was not changed."""
