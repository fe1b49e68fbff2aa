"""Choosing: which kinds a person is told of, where, and when not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mesh.errors import SignInRequired
from mesh.sealing import KeyGone, PersonSealer
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.notifications import choices as choosing
from svc_social.notifications.choices import Choice, QuietHours
from svc_social.notifications.store import SettingsStore
from svc_social.notifications.tables import NotificationKind, SettingsRow

QUIET_HOURS = "quiet_hours"
"""Place of the sealed words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """Reads and changes settings."""

    settings: SettingsStore
    sealer: PersonSealer
    requests: RequestLog
    next_id: Callable[[], int]

    async def of(self, user_id: int) -> tuple[SettingsRow, QuietHours | None]:
        """What a person chose."""
        row = await self.settings.get(user_id)
        return row, await self._quiet_hours(row)

    async def quiet_until_ms(self, user_id: int, *, now_ms: int) -> int:
        """When the person's quiet ends; 0 when it is not quiet."""
        quiet = await self._quiet_hours(await self.settings.get(user_id))
        return quiet.end_ms(now_ms) if quiet is not None else 0

    async def change(
        self,
        user_id: int,
        *,
        choices: Mapping[NotificationKind, Choice],
        quiet_hours: QuietHours | None,
        changes_quiet_hours: bool,
        request_id: str,
        body: bytes,
    ) -> tuple[SettingsRow, QuietHours | None]:
        """The settings after a person chose; `quiet_hours` counts with `changes_quiet_hours` alone. Raises NotificationKindRequired,
        RequestIdReused."""
        choosing.check(choices)
        sealed = b""
        if quiet_hours is not None:
            try:
                sealed = await self.sealer.seal(user_id, QUIET_HOURS, quiet_hours.words)
            except KeyGone as error:
                raise SignInRequired() from error
        claim = await self.requests.claim(
            caller=user_id, method="UpdateNotificationSettings", request_id=request_id, body=body, new_id=self.next_id
        )

        def change(row: SettingsRow) -> SettingsRow | None:
            if is_applied(row.applied_edits, claim):
                return None
            changed = choosing.with_choices(row, choices)
            if changes_quiet_hours:
                changed = replace(changed, quiet_hours_sealed=sealed)
            return replace(changed, applied_edits=with_applied(row.applied_edits, claim))

        row = await self.settings.change(user_id, change)
        return row, await self._quiet_hours(row)

    async def _quiet_hours(self, row: SettingsRow) -> QuietHours | None:
        if not row.quiet_hours_sealed:
            return None
        try:
            return QuietHours.of_words(await self.sealer.unseal(row.user_id, QUIET_HOURS, row.quiet_hours_sealed))
        except KeyGone:
            return None
