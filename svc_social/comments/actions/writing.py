"""Writing comments and replacing their texts: permitted by video and the creator, judged by the text policy, sealed for the author."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1 import permit_pb2

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.ids import NextId
from mesh.permits import Permits
from mesh.sealing import KeyGone, PersonSealer
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.comments import rules, texts
from svc_social.comments.actions.asked import Actor, Asked
from svc_social.comments.actions.filtering import Filtering
from svc_social.comments.actions.telling import Telling
from svc_social.comments.errors import CommentNotAllowed, CommentNotFound, TextNotAllowed
from svc_social.comments.policy import TextPolicy, Verdict
from svc_social.comments.store import Changed, ThreadStore
from svc_social.comments.tables import Comment, CommentState
from svc_social.comments.trees import is_seen
from svc_social.graph.actions import FollowState, Relations
from svc_social.identity.actions import NEW_ACCOUNT_MS, InvalidText, Profiles, check_text, privacy_of

ISSUER = "video"
"""Who owns videos, and so the word on what may be done with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A text that may be written."""

    text: str
    language: str
    mentioned: tuple[int, ...]
    limited: bool
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Writes and edits comments. Whatever is refused is refused before anything is written, the note of the request id included."""

    threads: ThreadStore
    filtering: Filtering
    policy: TextPolicy
    sealer: PersonSealer
    profiles: Profiles
    relations: Relations
    requests: RequestLog
    permits: Permits
    telling: Telling
    next_id: NextId
    clock: Clock

    async def post(
        self, actor: Actor, *, video_id: int, permit: permit_pb2.SignedPermit, answers_id: int, text: str, language: str, asked: Asked
    ) -> Comment:
        """A new comment; as it stands when the same request wrote it before.

        Raises InvalidPermit, InvalidText, TooManyMentions, TextNotAllowed, CommentNotAllowed, CommentNotFound, TooManyReplies, RequestIdReused,
        and Unavailable while nobody can judge the text.
        """
        kind = permit_pb2.PERMIT_KIND_COMMENT
        owner_id = self.permits.verify(permit, issuer=ISSUER, kind=kind, subject_id=video_id, viewer_id=actor.user_id).owner_id
        known = await asked.known(self.requests, actor)
        if known is not None and (written := await self._written(actor, known.resource_id)) is not None:
            return written
        text = clean(text)
        await self._check_audience(actor.user_id, owner_id)
        answered = await self._answered(actor.user_id, video_id, answers_id) if answers_id else None
        draft = await self._draft(actor, text, owner_id=owner_id, language=language)
        above_id = answered.comment_id if answered is not None else 0
        claim = await asked.claim(self.requests, actor, lambda: self.next_id(above_id))
        comment = await self._comment(actor, claim.resource_id, draft, video_id=video_id, owner_id=owner_id, answered=answered)
        added = await self.threads.add(
            comment,
            answered=answers_id,
            check=rules.check_answerable if answers_id else _nothing,
            events=lambda made: self.telling.posted(made, answered_author_id=answered.author_id if answered is not None else 0),
        )
        await self.telling.place(added)
        if added.author_id != actor.user_id:
            raise CommentNotFound()
        return added

    async def edit(self, actor: Actor, comment_id: int, *, text: str, language: str, asked: Asked) -> Comment:
        """A comment of the actor with another text; as it stands when the same request came before.

        Raises CommentNotFound, InvalidText, TooManyMentions, TextNotAllowed, RequestIdReused, Aborted, and Unavailable while nobody can judge the
        text.
        """
        chain = await self.threads.chain(comment_id)
        own = _own(actor, chain)
        known = await asked.known(self.requests, actor)
        if known is not None and is_applied(own.applied, known):
            return own
        text = clean(text)
        draft = await self._draft(actor, text, owner_id=own.owner_id, language=language)
        sealed = await self._sealed(actor.user_id, comment_id, text)
        claim = await asked.claim(self.requests, actor, self.next_id)
        now_ms = self.clock.now_ms()

        def judge(chain: Sequence[Comment]) -> Changed | None:
            row = _own(actor, chain)
            if is_applied(row.applied, claim):
                return None
            state = CommentState.HELD if draft.held and row.state is CommentState.PUBLISHED else row.state
            edited = replace(
                row,
                state=state,
                text_sealed=sealed,
                language=draft.language,
                mentioned=rules.joined(draft.mentioned),
                limited=draft.limited,
                edited_at_ms=max(now_ms, row.posted_at_ms + 1),
                edits=row.edits + 1,
                applied=with_applied(row.applied, claim),
            )
            return Changed(edited, replaced=row)

        answered_author_id = await self.author_of(own.answers_id)
        edited = await self.threads.change(
            comment_id,
            judge,
            events=lambda before, after: self.telling.edited(
                before,
                after,
                answered_author_id=answered_author_id,
                added=[one for one in after[0].mentioned_ids if one not in before[0].mentioned_ids],
            ),
        )
        if edited is None:
            raise CommentNotFound()
        await self.telling.place(edited)
        return edited

    async def author_of(self, comment_id: int) -> int:
        """Who wrote a comment; 0 when that is not known any more."""
        chain = await self.threads.chain(comment_id) if comment_id else []
        return chain[-1].author_id if chain else 0

    async def _written(self, actor: Actor, comment_id: int) -> Comment | None:
        """What an earlier call with the same request wrote, None when it wrote nothing. Raises CommentNotFound when it is gone."""
        chain = await self.threads.chain(comment_id)
        if chain and chain[-1].author_id != actor.user_id:
            raise CommentNotFound()
        return chain[-1] if chain else None

    async def _check_audience(self, user_id: int, owner_id: int) -> None:
        """Raises CommentNotAllowed; also where one blocks the other, although video gave a permit before."""
        owners, [relation] = await asyncio.gather(self.profiles.many([owner_id]), self.relations.of(user_id, [owner_id]))
        if not owners or relation.mine.blocks or relation.theirs.blocks:
            raise CommentNotAllowed()
        allowed = rules.may_comment(
            int(privacy_of(owners[0]).comments),
            is_owner=user_id == owner_id,
            follows=relation.mine.follow is FollowState.FOLLOWING,
            followed=relation.theirs.follow is FollowState.FOLLOWING,
        )
        if not allowed:
            raise CommentNotAllowed()

    async def _answered(self, user_id: int, video_id: int, comment_id: int) -> Comment:
        """What is answered, if it is of this video and the viewer sees it. Raises CommentNotFound, TooManyReplies."""
        chain = await self.threads.chain(comment_id)
        rules.check_answerable(chain)
        relations = await self.relations.of(user_id, [one.author_id for one in chain if one.author_id])
        parted = {one.user_id for one in relations if one.mine.blocks or one.theirs.blocks}
        if chain[-1].video_id != video_id or not is_seen(chain, parted=parted):
            raise CommentNotFound()
        return chain[-1]

    async def _draft(self, actor: Actor, text: str, *, owner_id: int, language: str) -> _Draft:
        """A text with everything that follows from it. Raises TooManyMentions, TextNotAllowed, Unavailable, SignInRequired."""
        handles = texts.mentions_in(text)
        language = texts.language_of(text, declared=language)
        accounts = await self.profiles.many([actor.user_id])
        if not accounts:
            raise SignInRequired()
        is_new = self.clock.now_ms() - accounts[0].created_at_ms < NEW_ACCOUNT_MS
        judged = await self.policy.judge(text, language=language, is_new=is_new, age_band=accounts[0].age_band)
        if judged.verdict is Verdict.BLOCK:
            raise TextNotAllowed()
        held = judged.verdict is Verdict.REVIEW
        if actor.user_id != owner_id:
            held = held or await self.filtering.holds(owner_id, text, has_link=judged.has_link)
        mentioned = await self._mentioned(actor.user_id, handles) if handles else ()
        return _Draft(text=text, language=language, mentioned=mentioned, limited=judged.verdict is not Verdict.ALLOW, held=held)

    async def _mentioned(self, user_id: int, handles: Sequence[str]) -> tuple[int, ...]:
        """The people behind handles, without oneself and without those of whom one blocks the other."""
        found = [one for one in dict.fromkeys((await self.profiles.by_handles(handles)).values()) if one != user_id]
        relations = await self.relations.of(user_id, found)
        return tuple(one.user_id for one in relations if not one.mine.blocks and not one.theirs.blocks)

    async def _comment(
        self, actor: Actor, comment_id: int, draft: _Draft, *, video_id: int, owner_id: int, answered: Comment | None
    ) -> Comment:
        path = rules.path_below(answered, comment_id) if answered is not None else (comment_id,)
        now_ms = self.clock.now_ms()
        return Comment(
            thread_id=path[0],
            revision=0,
            parent_id=path[-2] if len(path) > 1 else 0,
            comment_id=comment_id,
            path=rules.joined(path),
            video_id=video_id,
            owner_id=owner_id,
            author_id=actor.user_id,
            answers_id=answered.comment_id if answered is not None else 0,
            state=CommentState.HELD if draft.held else CommentState.PUBLISHED,
            text_sealed=await self._sealed(actor.user_id, comment_id, draft.text),
            language=draft.language,
            mentioned=rules.joined(draft.mentioned),
            limited=draft.limited,
            personalisation=actor.personalisation,
            posted_at_ms=now_ms,
            shown_at_ms=0 if draft.held else now_ms,
        )

    async def _sealed(self, user_id: int, comment_id: int, text: str) -> bytes:
        try:
            return await self.sealer.seal(user_id, text_place(comment_id), text)
        except KeyGone as error:
            raise SignInRequired() from error


def clean(text: str) -> str:
    """A text in NFC without surrounding space. Raises InvalidText for control, invisible and direction-changing characters, towers of marks, and for
    a text with nothing visible. Look-alikes of other scripts stay: the text policy reads through them."""
    cleaned = check_text(text, field="text", most=texts.MOST_CHARACTERS, lines=True)
    if not texts.is_visible(cleaned):
        raise InvalidText("text has nothing visible", field="text")
    return cleaned


def text_place(comment_id: int) -> str:
    """What the text of a comment, and its earlier texts, are sealed for."""
    return f"comment_text:{comment_id}"


def _own(actor: Actor, chain: Sequence[Comment]) -> Comment:
    """The actor's comment at the end of a chain. Raises CommentNotFound."""
    if not chain or chain[-1].author_id != actor.user_id or chain[-1].state is CommentState.REMOVED:
        raise CommentNotFound()
    return chain[-1]


def _nothing(chain: Sequence[Comment]) -> None:
    """A comment at the top answers nobody."""
