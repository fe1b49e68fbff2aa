"""What people can do with videos and ask of it: the door of this area."""

from svc_social.engagement.actions.acting import Acting, Actor, Asked
from svc_social.engagement.actions.clearing import Clearing
from svc_social.engagement.actions.collecting import Collecting
from svc_social.engagement.actions.reading import Counts, Reading, Sight

__all__ = ["Acting", "Actor", "Asked", "Clearing", "Collecting", "Counts", "Reading", "Sight"]
