"""What creators want held on their videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mesh.errors import SignInRequired
from mesh.sealing import KeyGone, PersonSealer
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.comments import texts
from svc_social.comments.actions.asked import Actor, Asked
from svc_social.comments.store import ChoiceStore
from svc_social.comments.tables import CommentFilter
from svc_social.identity.actions import check_name

_PLACE = "comment_filter_words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a person wants held, with the words opened."""

    words: tuple[str, ...]
    hold_links: bool
    hold_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtering:
    """Reads, replaces and applies filters."""

    choices: ChoiceStore
    sealer: PersonSealer
    requests: RequestLog
    next_id: Callable[[], int]

    async def get(self, user_id: int) -> Filters:
        """What a person wants held. Raises SignInRequired for somebody erased."""
        return await self._opened(await self.choices.filters(user_id))

    async def update(self, actor: Actor, *, words: Sequence[str], hold_links: bool, hold_all: bool, asked: Asked) -> Filters:
        """What holds from now on; as it stands when the same request came before. Raises InvalidText, RequestIdReused, Aborted."""
        checked = [check_name(word, field="filters.words") for word in words]
        try:
            sealed = await self.sealer.seal(actor.user_id, _PLACE, texts.words_joined(checked))
        except KeyGone as error:
            raise SignInRequired() from error
        claim = await asked.claim(self.requests, actor, self.next_id)

        def change(row: CommentFilter) -> CommentFilter | None:
            if is_applied(row.applied, claim):
                return None
            return replace(row, words_sealed=sealed, hold_links=hold_links, hold_all=hold_all, applied=with_applied(row.applied, claim))

        return await self._opened(await self.choices.filter(actor.user_id, change))

    async def holds(self, owner_id: int, text: str, *, has_link: bool) -> bool:
        """Whether a creator wants a text of somebody else to wait. What an erased creator wanted holds everything: nobody can read it any more."""
        row = await self.choices.filters(owner_id)
        if row.hold_all or (row.hold_links and has_link):
            return True
        if not row.words_sealed:
            return False
        try:
            filters = await self._opened(row)
        except SignInRequired:
            return True
        return texts.has_word(text, filters.words)

    async def _opened(self, row: CommentFilter) -> Filters:
        try:
            words = await self.sealer.unseal(row.user_id, _PLACE, row.words_sealed) if row.words_sealed else ""
        except KeyGone as error:
            raise SignInRequired() from error
        return Filters(words=texts.words_apart(words), hold_links=row.hold_links, hold_all=row.hold_all)
