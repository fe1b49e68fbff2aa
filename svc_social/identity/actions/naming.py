"""Who may have a unique name: one owner at a time, and nobody else for a while after it was given up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesh.clock import Clock
from svc_social.identity.actions.settling import PENDING_MS, SignUpSettler
from svc_social.identity.errors import EmailTaken, HandleTaken
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import NameKind, Reservation

TAKEN = {NameKind.HANDLE: HandleTaken, NameKind.EMAIL: EmailTaken}
HELD_MS = 30 * 24 * 3_600_000
"""How long a handle that was given up is kept for who had it: links and mentions of it must not lead to a stranger at once."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Reserves names. A reservation says who may have a name; whether somebody has it, only their account says."""

    names: NameStore
    settler: SignUpSettler
    clock: Clock

    async def may_ask(self, kind: NameKind, name: str, *, owner_id: int = 0, request_tag: bytes = b"") -> bool:
        """False when somebody else has the name for sure; what races is decided by `reserve`. Who asks is told by their id, or, of a sign-up,
        which has none yet, by the tag of its request."""
        row = await self.names.get(kind, name)
        if row is None or (owner_id and row.owner_id == owner_id) or (request_tag and row.request_tag == request_tag):
            return True
        return not await self._is_kept(row)

    async def reserve(self, kind: NameKind, name: str, *, owner_id: int, request_tag: bytes = b"") -> None:
        """Take a name that nobody has, has asked for just now, or gave up lately; safe to repeat. Raises HandleTaken or EmailTaken."""
        pending_until_ms = self.clock.now_ms() + PENDING_MS
        wanted = Reservation(kind=kind, name=name, owner_id=owner_id, pending_until_ms=pending_until_ms, request_tag=request_tag)
        for _ in range(_ATTEMPTS):
            row = await self.names.reserve(wanted)
            if row.owner_id == owner_id:
                if not row.held_until_ms:
                    return
                # One's own name of before: the row moves, so that whoever would take it at this moment is too late.
                again = replace(row, held_until_ms=0, confirmed=False, pending_until_ms=pending_until_ms)
            elif await self._is_kept(row):
                break
            elif not row.confirmed:
                await self.settler.settle_name(row)
                continue
            elif await self.settler.has_name(row):
                # Given up and taken back: what holds it back was written by a call that came late.
                await self.names.replace(replace(row, held_until_ms=0))
                break
            else:
                again = replace(wanted, version=row.version)
            if await self.names.replace(again) is not None:
                return
        raise TAKEN[kind]()

    async def give_up(self, kind: NameKind, name: str, *, owner_id: int) -> None:
        """Keep a name that its owner's account no longer has for HELD_MS; safe to repeat."""
        await self.names.hold(kind, name, owner_id=owner_id, until_ms=self.clock.now_ms() + HELD_MS)

    async def _is_kept(self, row: Reservation) -> bool:
        if not row.confirmed:
            return row.pending_until_ms > self.clock.now_ms()
        if row.held_until_ms:
            return row.held_until_ms > self.clock.now_ms()
        if not await self.settler.has_name(row):
            # Whoever gave it up was cut off before they said so.
            await self.give_up(row.kind, row.name, owner_id=row.owner_id)
        return True
