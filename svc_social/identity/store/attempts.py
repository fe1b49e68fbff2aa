"""Rows that count failed sign-ins in windows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from mesh.clock import Clock
from mesh.stores.tables.port import RowExists, Tables, VersionConflict
from svc_social.identity.session_tables import SignInAttempts


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStore:
    """Repository of attempts. A try is counted before the password is looked at, so that parallel tries cannot slip through."""

    tables: Tables
    clock: Clock
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """One writer a subject in this process: many people may sign in from one address at once, and would only make each other try again."""

    async def take(self, subject: str, *, most: int, window_ms: int) -> int:
        """Count one try; 0 when it is allowed, else how many milliseconds to wait, then nothing was counted."""
        async with self._lock(subject):
            return await self._take(subject, most=most, window_ms=window_ms)

    async def give_back(self, subject: str, *, all_of_them: bool) -> None:
        """A try was right: forget it, or forget all failures of the subject."""
        async with self._lock(subject):
            await self._give_back(subject, all_of_them=all_of_them)

    def _lock(self, subject: str) -> asyncio.Lock:
        return self._locks.setdefault(subject, asyncio.Lock())

    async def _take(self, subject: str, *, most: int, window_ms: int) -> int:
        while True:
            row = await self.tables.get(SignInAttempts, subject)
            try:
                if row is None:
                    await self.tables.insert(SignInAttempts(subject=subject, failures=1, expires_at_ms=self.clock.now_ms() + window_ms))
                    return 0
                if row.failures >= most:
                    return max(1, row.expires_at_ms - self.clock.now_ms())
                await self.tables.transition(replace(row, failures=row.failures + 1), expected_version=row.version)
                return 0
            except (RowExists, VersionConflict):
                continue

    async def _give_back(self, subject: str, *, all_of_them: bool) -> None:
        while True:
            row = await self.tables.get(SignInAttempts, subject)
            if row is None:
                return
            changed = replace(row, failures=0 if all_of_them else max(0, row.failures - 1))
            try:
                await self.tables.transition(changed, expected_version=row.version)
            except VersionConflict:
                continue
            return
