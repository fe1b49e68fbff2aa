"""Pure decisions about notifications: which acts stand together, what an inbox is after news, what is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from svc_social.notifications.tables import InboxEntry, NotificationKind, NotifiedAct, PartedPerson

DAY_MS = 24 * 3_600_000
WINDOW_MS = DAY_MS
"""Acts of one kind on one subject within this time are one notification; windows begin at the same moments everywhere, so that it makes no
difference in which order acts are heard of."""
KEPT_MS = 30 * DAY_MS
"""How long a notification stays after its newest act."""
MOST_ENTRIES = 300
"""How many entries an inbox has room for."""
LEAVE_AT_ONCE = 20
"""How many of the oldest leave a full inbox, so that not every one that comes makes one leave."""
KEPT_ACTORS = 20
"""How many of its newest actors a group knows by name; the others are counted."""
SHOWN_ACTORS = 5

SINGLE = 0
"""Window of what is not grouped by time."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Which entry of an inbox something belongs to."""

    kind: NotificationKind
    video_id: int = 0
    comment_id: int = 0
    window: int = SINGLE
    """Number of the window of time; of what is not grouped, whatever tells one from another."""

    @property
    def key(self) -> str:
        """The place as a key."""
        return f"{int(self.kind)}:{self.video_id}:{self.comment_id}:{self.window}"

    @classmethod
    def of_key(cls, key: str) -> Place:
        """The place that a key names."""
        kind, video_id, comment_id, window = map(int, key.split(":"))
        return cls(kind=NotificationKind(kind), video_id=video_id, comment_id=comment_id, window=window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did that concerns a person, as it stands in one version."""

    user_id: int
    """Whom it concerns."""
    place: Place
    member: int
    """What makes it the same act when it comes again."""
    actor_id: int
    acted_at_ms: int
    """When it was first done: it stays in that window, however often it is taken back and done again."""
    version: int
    present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What an entry of an inbox is to be, as of a version of where that comes from."""

    user_id: int
    place: Place
    version: int
    updated_at_ms: int
    present: bool = True
    count: int = 1
    news: int = 1
    """Grows when there is something to be told that was not told before."""
    actors: tuple[int, ...] = ()
    """Newest first."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """How an inbox changes: rows to write and rows that leave."""

    head: InboxEntry
    written: tuple[InboxEntry, ...]
    left: tuple[InboxEntry, ...] = ()


def window_of(at_ms: int) -> int:
    """The window of a moment."""
    return at_ms // WINDOW_MS


def is_over(place: Place, acted_at_ms: int, *, now_ms: int) -> bool:
    """Whether acts of then no longer come into any inbox. All acts of a window are over at the same moment, so that none comes back alone."""
    since_ms = acted_at_ms if place.window == SINGLE else (window_of(acted_at_ms) + 1) * WINDOW_MS
    return since_ms + KEPT_MS <= now_ms


def folded(group: NotifiedAct, standing: Mapping[int, NotifiedAct], acts: Iterable[Act]) -> tuple[NotifiedAct, list[NotifiedAct]]:
    """A group after acts of its place, and the acts that are newer than what stands, each once in its largest version."""
    newest: dict[int, Act] = {}
    for act in acts:
        if act.member not in newest or newest[act.member].version < act.version:
            newest[act.member] = act
    fresh: list[NotifiedAct] = []
    actors = _actors_of(group.actors)
    for act in newest.values():
        old = standing.get(act.member)
        if old is not None and old.source_version >= act.version:
            continue
        was_present = old is not None and old.was_present
        stood = old is not None and old.present
        base = old or replace(group, member=act.member, size=0, news=0, actors="", version=0)
        fresh.append(
            replace(
                base,
                actor_id=act.actor_id,
                acted_at_ms=act.acted_at_ms,
                source_version=act.version,
                present=act.present,
                was_present=was_present or act.present,
            )
        )
        actors = [one for one in actors if one[1] != act.member]
        if act.present:
            actors.append((act.actor_id, act.member, act.acted_at_ms))
        group = replace(
            group,
            size=group.size + act.present - stood,
            news=group.news + (act.present and not was_present),
            acted_at_ms=max(group.acted_at_ms, act.acted_at_ms) if act.present else group.acted_at_ms,
        )
    actors.sort(key=lambda one: (one[2], one[1]), reverse=True)
    return replace(group, actors=" ".join(f"{actor}:{member}:{at_ms}" for actor, member, at_ms in actors[:KEPT_ACTORS])), fresh


def news_of(group: NotifiedAct, place: Place) -> News:
    """What a group tells the inbox."""
    return News(
        user_id=group.user_id,
        place=place,
        version=group.version,
        updated_at_ms=group.acted_at_ms,
        present=group.size > 0,
        count=group.size,
        news=group.news,
        # A person may have several acts in a group, such as comments.
        actors=tuple(dict.fromkeys(actor for actor, _, _ in _actors_of(group.actors))),
    )


def _actors_of(text: str) -> list[tuple[int, int, int]]:
    found = []
    for one in text.split():
        actor, member, at_ms = one.split(":")
        found.append((int(actor), int(member), int(at_ms)))
    return found


def is_unread(head: InboxEntry, entry: InboxEntry | None) -> bool:
    """Whether an entry is to be counted as unread."""
    return entry is not None and entry.present and entry.raised > max(head.raised, entry.read)


def received(head: InboxEntry, entry: InboxEntry | None, news: News, *, new_id: int) -> Step | None:
    """An inbox after news; None when they are not newer than what stands, or older than what a full inbox let go."""
    if entry is None and news.updated_at_ms <= head.floor_ms:
        return None
    if entry is not None and entry.source_version >= news.version:
        return None
    old = entry or InboxEntry(user_id=head.user_id, place=news.place.key, notification_id=new_id)
    now = replace(
        old,
        kind=int(news.place.kind),
        video_id=news.place.video_id,
        comment_id=news.place.comment_id,
        detail=news.detail,
        source_version=news.version,
        present=news.present,
        count=news.count,
        actors=" ".join(str(actor) for actor in news.actors[:KEPT_ACTORS]),
        updated_at_ms=news.updated_at_ms,
        ends_at_ms=news.updated_at_ms + KEPT_MS,
    )
    number = head.changed
    is_news = news.news > old.news
    if is_news or (now != replace(old, source_version=news.version) and (old.present or now.present)):
        number += 1
        now = replace(now, changed=number)
    if is_news:
        now = replace(now, news=news.news, raised=number)
    was_unread, unread = is_unread(head, entry), is_unread(head, now)
    if is_news and unread and not was_unread:
        now = replace(now, alerts=now.alerts + 1)
    changed_head = replace(
        head,
        changed=number,
        count=head.count + (entry is None),
        unread=head.unread + unread - was_unread,
        ends_at_ms=min(head.ends_at_ms or now.ends_at_ms, now.ends_at_ms),
    )
    return Step(changed_head, (now,))


def without(head: InboxEntry, entries: Collection[InboxEntry], leaving: Sequence[InboxEntry]) -> InboxEntry:
    """The head after entries left; `entries` are all."""
    gone = {entry.place for entry in leaving}
    return replace(
        head,
        count=head.count - len(gone),
        unread=head.unread - sum(is_unread(head, entry) for entry in leaving),
        ends_at_ms=min((entry.ends_at_ms for entry in entries if entry.place not in gone), default=0),
    )


def aged(head: InboxEntry, entries: Collection[InboxEntry], *, now_ms: int, most: int) -> Step:
    """An inbox without what is over, at most `most` entries at once."""
    leaving = sorted((entry for entry in entries if entry.ends_at_ms <= now_ms), key=lambda entry: entry.ends_at_ms)[:most]
    return Step(without(head, entries, leaving), (), tuple(leaving))


def relieved(head: InboxEntry, entries: Collection[InboxEntry]) -> Step:
    """A full inbox without its oldest entries; they do not come back when their news are heard again."""
    if len(entries) <= MOST_ENTRIES:
        return Step(head, ())
    leaving = sorted(entries, key=in_order)[: min(len(entries) - MOST_ENTRIES + LEAVE_AT_ONCE, 2 * LEAVE_AT_ONCE)]
    floor_ms = max((entry.updated_at_ms for entry in leaving), default=0)
    return Step(replace(without(head, entries, leaving), floor_ms=max(head.floor_ms, floor_ms)), (), tuple(leaving))


def marked(head: InboxEntry, entries: Collection[InboxEntry], *, ids: Collection[int], up_to: int) -> Step:
    """An inbox after some entries, and all that became unread up to a change, were marked as read."""
    written: list[InboxEntry] = []
    number = head.changed
    through = replace(head, raised=max(head.raised, min(up_to, head.changed)))
    for entry in entries:
        if entry.notification_id in ids and is_unread(through, entry):
            number += 1
            written.append(replace(entry, read=number, changed=number))
    after = {entry.place: entry for entry in [*entries, *written]}
    unread = sum(is_unread(through, entry) for entry in after.values())
    return Step(replace(through, changed=number, unread=unread), tuple(written))


def in_order(entry: InboxEntry) -> tuple[int, str]:
    """What an inbox is sorted by, oldest first."""
    return entry.updated_at_ms, entry.place


def actors_of(entry: InboxEntry) -> tuple[int, ...]:
    """People of an entry, newest first."""
    return tuple(int(actor) for actor in entry.actors.split())


def shown(entry: InboxEntry, hidden: Collection[int]) -> InboxEntry | None:
    """An entry without people who must not be shown; None when nobody is left of those who acted."""
    actors = actors_of(entry)
    kept = [actor for actor in actors if actor not in hidden]
    if actors and not kept and entry.count <= KEPT_ACTORS:
        return None
    # Of a group of people each is one act; which comments are whose only the events of their ends tell.
    lost = 0 if entry.kind in OF_COMMENTS else len(actors) - len(kept)
    return replace(entry, actors=" ".join(map(str, kept[:SHOWN_ACTORS])), count=max(entry.count - lost, len(kept)))


OF_COMMENTS = frozenset({NotificationKind.COMMENT, NotificationKind.REPLY, NotificationKind.MENTION})
"""Kinds whose groups hold comments; of a person there may be several."""
_OF_BONDS = frozenset({NotificationKind.FOLLOW, NotificationKind.FOLLOW_REQUEST, NotificationKind.FOLLOW_APPROVED})
"""Kinds whose acts carry the version of a bond; those of comments carry that of the comment, and all others the id of the operation."""


def is_older(act: Act, parting: PartedPerson) -> bool:
    """Whether an act was done before a parting. One without a version was this moment: whatever is known of the bond is older."""
    if act.place.kind in _OF_BONDS:
        return not parting.version or act.version < parting.version
    return (act.member if act.place.kind in OF_COMMENTS else act.version) < parting.event_id


def taken_out(act: Act, parting: PartedPerson) -> Act:
    """An act that stands as one that does not any more, under a version that older news cannot beat."""
    known = parting.version if act.place.kind in _OF_BONDS else parting.event_id
    return replace(act, present=False, version=max(known, act.version + 1))
