"""What people do with one another, and what may be known of it: the door of this area."""

from svc_social.graph.actions.acts import Acts
from svc_social.graph.actions.followers import Followers
from svc_social.graph.actions.lists import GraphLists, Page
from svc_social.graph.actions.relations import Relations
from svc_social.graph.rules import Act, Relation
from svc_social.graph.tables import Direction, FollowState, ListKind

__all__ = ["Act", "Acts", "Direction", "FollowState", "Followers", "GraphLists", "ListKind", "Page", "Relation", "Relations"]
