"""Typed repositories of engagement: the only ones who read and write its rows."""

from svc_social.engagement.store.acts import ActStore
from svc_social.engagement.store.collections import CollectionStore
from svc_social.engagement.store.counts import CountStore
from svc_social.engagement.store.lists import ListPage, ListStore
from svc_social.engagement.tables import Act, BusyVideo, Collection, CountedAct, EngagedMonth, EngagedVideo

ROW_TYPES: tuple[type, ...] = (Act, BusyVideo, Collection, CountedAct, EngagedMonth, EngagedVideo)

__all__ = ["ROW_TYPES", "ActStore", "CollectionStore", "CountStore", "ListPage", "ListStore"]
