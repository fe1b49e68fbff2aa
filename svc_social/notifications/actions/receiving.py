"""Receiving news: what is wanted and allowed goes into groups and inboxes, whoever watches is hinted, and deliveries are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.hint_sender import HintSender
from svc_social.graph.actions import Relation, Relations
from svc_social.identity.actions import Profiles
from svc_social.notifications import rules
from svc_social.notifications.actions.delivering import Delivering
from svc_social.notifications.actions.together import side_by_side
from svc_social.notifications.choices import channels_of, choice_of
from svc_social.notifications.rules import Act, News, Place
from svc_social.notifications.store import CommentStore, GroupStore, InboxStore, SettingsStore
from svc_social.notifications.tables import NotificationKind, SettingsRow

_OF_COMMENTS = frozenset({NotificationKind.COMMENT, NotificationKind.REPLY, NotificationKind.MENTION})
"""Kinds whose groups hold comments; of a person there may be several."""
_MOST_ASKED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Brings inboxes up to what happened. Whatever comes twice or late changes nothing."""

    groups: GroupStore
    heard_comments: CommentStore
    inboxes: InboxStore
    settings: SettingsStore
    relations: Relations
    profiles: Profiles
    delivering: Delivering
    clock: Clock
    hints: HintSender | None = None

    async def acts(self, acts: Sequence[Act]) -> None:
        """Put acts of people into the groups of those whom they concern."""
        now_ms = self.clock.now_ms()
        wanted = await self._wanted(
            [
                act
                for act in acts
                if act.user_id
                and act.actor_id
                and act.actor_id != act.user_id
                and not rules.is_over(act.place, act.acted_at_ms, now_ms=now_ms)
            ]
        )
        groups: dict[tuple[int, Place], list[Act]] = {}
        for act in wanted:
            groups.setdefault((act.user_id, act.place), []).append(act)
        settings = await self.settings.get_many([user_id for user_id, _ in groups])

        async def receive(group: tuple[tuple[int, Place], list[Act]]) -> None:
            (user_id, place), of_group = group
            news = await self.groups.apply(user_id, place, of_group)
            if news is not None:
                await self._receive(news, settings[user_id])

        await side_by_side(groups.items(), receive)

    async def comments(self, comments: Sequence[Sequence[Act]]) -> None:
        """Put comments, each as one event told of it, into the groups of all whom they ever concerned."""
        now_ms = self.clock.now_ms()
        acts: list[Act] = []
        for told in comments:
            if told and not rules.is_over(told[0].place, told[0].acted_at_ms, now_ms=now_ms):
                acts += await self.heard_comments.hear(told)
        await self.acts(acts)

    async def news(self, many: Sequence[News]) -> None:
        """Put news that are not grouped into inboxes."""
        now_ms = self.clock.now_ms()
        due = [one for one in many if one.user_id and not rules.is_over(one.place, one.updated_at_ms, now_ms=now_ms)]
        settings = await self.settings.get_many([one.user_id for one in due])
        living = await self._living([one.user_id for one in due])
        # Of one entry in the order in which it came.
        for one in due:
            if not one.present or (one.user_id in living and choice_of(settings[one.user_id], one.place.kind).in_app):
                await self._receive(one, settings[one.user_id])

    async def tell(self, many: Sequence[News], *, at_once: int) -> None:
        """Put one piece of news each into the inboxes of people who were looked at already."""
        settings = await self.settings.get_many([one.user_id for one in many])

        async def receive(one: News) -> None:
            if choice_of(settings[one.user_id], one.place.kind).in_app:
                await self._receive(one, settings[one.user_id])

        await side_by_side(many, receive, at_once=at_once)

    async def part(self, user_id: int, gone_id: int, *, version: int) -> None:
        """Let a person fall out of an inbox for good; what they do later is judged by itself."""
        _, entries = await self.inboxes.all(user_id)
        standing = [(Place.of_key(entry.place), entry) for entry in entries if entry.present and entry.actors]
        grouped = [place for place, entry in standing if place.window != rules.SINGLE]
        found = await self.groups.of_actor(user_id, gone_id, [place for place in grouped if place.kind not in _OF_COMMENTS])
        for place in grouped:
            if place.kind in _OF_COMMENTS:
                found += [(place, row) for row in await self.groups.all_of_actor(user_id, gone_id, place)]
        groups: dict[Place, list[Act]] = {}
        for place, row in found:
            groups.setdefault(place, []).append(
                Act(
                    user_id=user_id,
                    place=place,
                    member=row.member,
                    actor_id=gone_id,
                    acted_at_ms=row.acted_at_ms,
                    version=max(version, row.source_version + 1),
                    present=False,
                )
            )
        settings = await self.settings.get(user_id)
        for place, acts in groups.items():
            news = await self.groups.apply(user_id, place, acts)
            if news is not None:
                await self._receive(news, settings)
        for place, entry in standing:
            if place.window == rules.SINGLE and rules.actors_of(entry) == (gone_id,):
                gone = News(
                    user_id=user_id,
                    place=place,
                    version=max(version, entry.source_version + 1),
                    updated_at_ms=entry.updated_at_ms,
                    present=False,
                    news=entry.news,
                    actors=(gone_id,),
                )
                await self._receive(gone, settings)

    async def _receive(self, news: News, settings: SettingsRow) -> None:
        received = await self.inboxes.receive(news)
        if received is None:
            return
        if received.changed and self.hints is not None:
            self.hints.send(news.user_id, received.number)
        # An alert that is older than this change was asked for with its own; one that is heard again may have been cut off before it was.
        if received.alert and (not received.changed or received.entry.raised == received.number):
            channels = channels_of(settings, news.place.kind)
            await self.delivering.ask(received.entry, alert=received.alert, channels=channels)

    async def _wanted(self, acts: Sequence[Act]) -> list[Act]:
        """Acts that may be told; those that take something back always may."""
        present = [act for act in acts if act.present]
        people = {act.user_id for act in present}
        settings = await self.settings.get_many(people)
        living = await self._living(people)
        relations = await self.relations.between([(act.user_id, act.actor_id) for act in present])
        return [
            act
            for act in acts
            if not act.present
            or (
                act.user_id in living
                and choice_of(settings[act.user_id], act.place.kind).in_app
                and may_be_told(relations[act.user_id, act.actor_id])
            )
        ]

    async def _living(self, user_ids: Sequence[int] | set[int]) -> set[int]:
        wanted, found = list(dict.fromkeys(user_ids)), set[int]()
        for start in range(0, len(wanted), _MOST_ASKED):
            found |= {account.user_id for account in await self.profiles.many(wanted[start : start + _MOST_ASKED])}
        return found


def may_be_told(relation: Relation) -> bool:
    """Whether a person may hear of another: no block parts them, and the person did not mute the other."""
    return not (relation.mine.blocks or relation.theirs.blocks or relation.mine.mutes)
