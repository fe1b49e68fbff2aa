"""Typed repositories of notifications: the only ones who read and write its rows."""

from svc_social.notifications.store.comments import CommentStore
from svc_social.notifications.store.deliveries import DeliveryStore
from svc_social.notifications.store.fan_outs import FanOutStore
from svc_social.notifications.store.groups import GroupStore
from svc_social.notifications.store.inboxes import InboxStore, Received
from svc_social.notifications.store.partings import PartingStore
from svc_social.notifications.store.settings import SettingsStore
from svc_social.notifications.tables import (
    Delivery,
    DueDelivery,
    FanOut,
    HeardComment,
    InboxEntry,
    NotifiedAct,
    OpenFanOut,
    PartedPerson,
    SettingsRow,
)

ROW_TYPES: tuple[type, ...] = (
    Delivery,
    DueDelivery,
    FanOut,
    HeardComment,
    InboxEntry,
    NotifiedAct,
    OpenFanOut,
    PartedPerson,
    SettingsRow,
)

__all__ = [
    "ROW_TYPES",
    "CommentStore",
    "DeliveryStore",
    "FanOutStore",
    "GroupStore",
    "InboxStore",
    "PartingStore",
    "Received",
    "SettingsStore",
]
