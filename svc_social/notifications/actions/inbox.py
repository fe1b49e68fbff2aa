"""The inbox as its owner sees it: pages, changes after a cursor, marks. People who may not be shown are left out when it is read, too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mesh.errors import InvalidPageToken
from mesh.events.hint_sender import HintSender
from mesh.pages import PageTokens, clamp
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.graph.actions import Relations
from svc_social.identity.actions import Profiles
from svc_social.notifications import rules
from svc_social.notifications.actions.receiving import may_be_told
from svc_social.notifications.store import InboxStore
from svc_social.notifications.tables import InboxEntry

_PAGES, _CHANGES = "notifications", "notification-changes"
_MOST_ASKED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An entry as it is shown."""

    entry: InboxEntry
    unread: bool
    cursor: str
    """Where to go on after the change that left it so."""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Entries, and the numbers of the whole inbox."""

    shown: tuple[Shown, ...]
    unread: int
    cursor: str
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Reads and marks inboxes."""

    inboxes: InboxStore
    relations: Relations
    profiles: Profiles
    requests: RequestLog
    tokens: PageTokens
    next_id: Callable[[], int]
    hints: HintSender | None = None

    async def page(self, user_id: int, *, page_size: int, page_token: str) -> Changes:
        """A page, newest first. Raises InvalidPageToken."""
        after = self.tokens.decode(_PAGES, str(user_id), page_token)
        head, entries = await self.inboxes.all(user_id)
        ordered = sorted((entry for entry in entries if entry.present), key=rules.in_order, reverse=True)
        if after:
            at_ms, _, place = after.partition(" ")
            ordered = [entry for entry in ordered if rules.in_order(entry) < (int(at_ms), place)]
        page = ordered[: clamp(page_size)]
        hidden = await self._hidden(user_id, page)
        shown = [self._shown(head, seen) for entry in page if (seen := rules.shown(entry, hidden)) is not None]
        last = f"{page[-1].updated_at_ms} {page[-1].place}" if len(page) < len(ordered) else ""
        return Changes(
            shown=tuple(shown),
            unread=head.unread,
            cursor=self._cursor(head.user_id, head.changed),
            next_page_token=self.tokens.encode(_PAGES, str(user_id), last),
        )

    async def changes(self, user_id: int, *, after: str) -> Changes:
        """What changed after a cursor, oldest change first; nothing for an empty one. Raises InvalidPageToken."""
        since = self._number(user_id, after)
        if since is None:
            head = await self.inboxes.head(user_id)
            return Changes(shown=(), unread=head.unread, cursor=self._cursor(user_id, head.changed))
        head, entries = await self.inboxes.all(user_id)
        if since > head.changed:
            raise InvalidPageToken("the cursor is ahead of the inbox")
        changed = sorted((entry for entry in entries if entry.changed > since), key=lambda entry: entry.changed)
        hidden = await self._hidden(user_id, [entry for entry in changed if entry.present])
        found: list[Shown] = []
        for entry in changed:
            seen = rules.shown(entry, hidden) if entry.present else None
            found.append(
                Shown(entry=entry, unread=False, cursor=self._cursor(user_id, entry.changed), gone=True)
                if seen is None
                else self._shown(head, seen)
            )
        return Changes(shown=tuple(found), unread=head.unread, cursor=self._cursor(user_id, head.changed))

    async def unread_count(self, user_id: int) -> int:
        """How many entries are unread."""
        return (await self.inboxes.head(user_id)).unread

    async def mark(self, user_id: int, *, ids: Collection[int], up_to: str, request_id: str, body: bytes) -> int:
        """How many are unread after a mark. Raises InvalidPageToken, RequestIdReused."""
        number = self._number(user_id, up_to) or 0
        claim = await self.requests.claim(
            caller=user_id, method="MarkNotificationsRead", request_id=request_id, body=body, new_id=self.next_id
        )

        def note(head: InboxEntry) -> InboxEntry | None:
            return None if is_applied(head.applied, claim) else replace(head, applied=with_applied(head.applied, claim))

        head = await self.inboxes.mark(user_id, ids=ids, up_to=number, note=note)
        if self.hints is not None:
            self.hints.send(user_id, head.changed)
        return head.unread

    async def _hidden(self, user_id: int, entries: Sequence[InboxEntry]) -> frozenset[int]:
        """Who of the people of entries must not be shown: whom a block or mute parts from the owner, and who is gone."""
        people = list(dict.fromkeys(actor for entry in entries for actor in rules.actors_of(entry)))
        hidden: set[int] = set()
        for start in range(0, len(people), _MOST_ASKED):
            asked = people[start : start + _MOST_ASKED]
            living = {account.user_id for account in await self.profiles.many(asked)}
            hidden |= set(asked) - living
            hidden |= {relation.user_id for relation in await self.relations.of(user_id, asked) if not may_be_told(relation)}
        return frozenset(hidden)

    def _shown(self, head: InboxEntry, entry: InboxEntry) -> Shown:
        return Shown(entry=entry, unread=rules.is_unread(head, entry), cursor=self._cursor(head.user_id, entry.changed))

    def _cursor(self, user_id: int, number: int) -> str:
        return self.tokens.encode(_CHANGES, str(user_id), str(number))

    def _number(self, user_id: int, cursor: str) -> int | None:
        found = self.tokens.decode(_CHANGES, str(user_id), cursor)
        return int(found) if found else None
