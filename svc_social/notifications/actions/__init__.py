"""What can be done with notifications: the door of this area."""

from svc_social.notifications.actions.choosing import Choosing
from svc_social.notifications.actions.delivering import Delivering
from svc_social.notifications.actions.inbox import Changes, Inbox, Shown
from svc_social.notifications.actions.parting import Parting
from svc_social.notifications.actions.publishing import Publishing
from svc_social.notifications.actions.receiving import Receiving

__all__ = ["Changes", "Choosing", "Delivering", "Inbox", "Parting", "Publishing", "Receiving", "Shown"]
