"""Typed repositories of the graph: the only ones who read and write its rows."""

from svc_social.graph.store.bonds import BondStore
from svc_social.graph.store.edges import EdgeStore
from svc_social.graph.store.lists import ListPage, ListStore
from svc_social.graph.tables import Bond, Edge, ListedMonth, ListedPerson

ROW_TYPES: tuple[type, ...] = (Bond, Edge, ListedMonth, ListedPerson)

__all__ = ["ROW_TYPES", "BondStore", "EdgeStore", "ListPage", "ListStore"]
