"""Receiving news: what is wanted and allowed goes into groups and inboxes, whoever watches is hinted, and deliveries are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.events.hint_sender import HintSender
from svc_social.graph.actions import Relation, Relations
from svc_social.identity.actions import Profiles
from svc_social.notifications import rules
from svc_social.notifications.actions.delivering import Delivering
from svc_social.notifications.actions.together import side_by_side
from svc_social.notifications.choices import channels_of, choice_of
from svc_social.notifications.rules import Act, News, Place
from svc_social.notifications.store import CommentStore, GroupStore, InboxStore, PartingStore, SettingsStore
from svc_social.notifications.tables import PartedPerson, SettingsRow

_MOST_ASKED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Brings inboxes up to what happened. Whatever comes twice or late changes nothing."""

    groups: GroupStore
    heard_comments: CommentStore
    partings: PartingStore
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
        due = [
            act
            for act in acts
            if act.user_id and act.actor_id and act.actor_id != act.user_id and not rules.is_over(act.place, act.acted_at_ms, now_ms=now_ms)
        ]
        wanted = await self._wanted(due)
        over = await self._parted(wanted)
        standing = await self._apply([replace(act, present=False) if act in over else act for act in wanted])
        # Looked at again after it is written: a parting that is heard of at this moment takes out what it finds, also for whoever died before this.
        late = await self._parted(standing)
        late |= {act: over[act] for act in over if await self.groups.of_actor(act.user_id, act.member, [act.place])}
        await self._apply([rules.taken_out(act, parting) for act, parting in late.items()])
        await self._apply(await self._kept_out([act for act in due if act.present]))

    async def _kept_out(self, acts: Sequence[Act]) -> list[Act]:
        """What stands, of acts of people whom a block or a mute parts by now, as something that does not: no clock has a say in that. Whoever died
        between group and inbox left acts that no parting found, and that are too old to be taken back by themselves."""
        relations = await self.relations.between([(act.user_id, act.actor_id) for act in acts])
        found: list[Act] = []
        for act in acts:
            if not may_be_told(relations[act.user_id, act.actor_id]):
                rows = await self.groups.of_actor(act.user_id, act.member, [act.place])
                found += [replace(act, present=False, version=row.source_version + 1) for _, row in rows]
        return found

    async def _parted(self, acts: Sequence[Act]) -> dict[Act, PartedPerson]:
        """Acts that would stand, but are older than a parting of the two people; with it."""
        partings = await self.partings.of([(act.user_id, act.actor_id) for act in acts if act.present])
        found = [(act, partings.get((act.user_id, act.actor_id))) for act in acts if act.present]
        return {act: parting for act, parting in found if parting is not None and rules.is_older(act, parting)}

    async def _apply(self, acts: Sequence[Act]) -> list[Act]:
        """Put acts into their groups, and say which of them stand."""
        groups: dict[tuple[int, Place], list[Act]] = {}
        for act in acts:
            groups.setdefault((act.user_id, act.place), []).append(act)
        settings = await self.settings.get_many([user_id for user_id, _ in groups])

        async def receive(group: tuple[tuple[int, Place], list[Act]]) -> None:
            (user_id, place), of_group = group
            news = await self.groups.apply(user_id, place, of_group)
            if news is not None:
                await self._receive(news, settings[user_id])

        await side_by_side(groups.items(), receive)
        return [act for act in acts if act.present]

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

    async def part(self, user_id: int, gone_id: int, *, version: int, bond_version: int = 0, at_ms: int = 0) -> None:
        """Let what a person did until an event fall out of an inbox for good; what they do later is judged by itself. `version` is the id of the event,
        `bond_version` and `at_ms` say when it was; without them it is now."""
        parting = PartedPerson(
            user_id=user_id, gone_id=gone_id, event_id=version, parted_at_ms=at_ms or self.clock.now_ms(), version=bond_version
        )
        if bond_version:
            parting = await self.partings.note(parting)
        [relation] = await self.relations.of(user_id, [gone_id])
        # While they are parted nothing stands, also what a clock that is ahead calls newer. Afterwards only what is older goes: the event may come again.
        everything = not may_be_told(relation)
        _, entries = await self.inboxes.all(user_id)
        standing = [(Place.of_key(entry.place), entry) for entry in entries if entry.present and entry.actors]
        grouped = [place for place, entry in standing if place.window != rules.SINGLE]
        found = await self.groups.of_actor(user_id, gone_id, [place for place in grouped if place.kind not in rules.OF_COMMENTS])
        for place in grouped:
            if place.kind in rules.OF_COMMENTS:
                found += [(place, row) for row in await self.groups.all_of_actor(user_id, gone_id, place)]
        groups: dict[Place, list[Act]] = {}
        for place, row in found:
            standing_act = Act(
                user_id=user_id, place=place, member=row.member, actor_id=gone_id, acted_at_ms=row.acted_at_ms, version=row.source_version
            )
            if everything or rules.is_older(standing_act, parting):
                groups.setdefault(place, []).append(rules.taken_out(standing_act, parting))
        settings = await self.settings.get(user_id)
        for place, acts in groups.items():
            news = await self.groups.apply(user_id, place, acts)
            if news is not None:
                await self._receive(news, settings)
        for place, entry in standing:
            goes = everything or entry.updated_at_ms <= parting.parted_at_ms
            if goes and place.window == rules.SINGLE and rules.actors_of(entry) == (gone_id,):
                gone = News(
                    user_id=user_id,
                    place=place,
                    version=max(parting.event_id, entry.source_version + 1),
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
        """Acts that may be told; those that take something back always may. What a block or a mute keeps out is noted as something that does not
        stand, or it would come in when it is heard again after the block was lifted."""
        present = [act for act in acts if act.present]
        people = {act.user_id for act in present}
        settings = await self.settings.get_many(people)
        living = await self._living(people)
        relations = await self.relations.between([(act.user_id, act.actor_id) for act in present])
        wanted: list[Act] = []
        for act in acts:
            if not act.present:
                wanted.append(act)
            elif act.user_id in living and choice_of(settings[act.user_id], act.place.kind).in_app:
                wanted.append(act if may_be_told(relations[act.user_id, act.actor_id]) else replace(act, present=False))
        return wanted

    async def _living(self, user_ids: Sequence[int] | set[int]) -> set[int]:
        wanted, found = list(dict.fromkeys(user_ids)), set[int]()
        for start in range(0, len(wanted), _MOST_ASKED):
            found |= {account.user_id for account in await self.profiles.many(wanted[start : start + _MOST_ASKED])}
        return found


def may_be_told(relation: Relation) -> bool:
    """Whether a person may hear of another: no block parts them, and the person did not mute the other."""
    return not (relation.mine.blocks or relation.theirs.blocks or relation.mine.mutes)
