"""What people can do with identity: the door of this area."""

from svc_social.identity.actions.guesses import Guesses
from svc_social.identity.actions.mailed_links import MailedLinks
from svc_social.identity.actions.new_password import NewPassword
from svc_social.identity.actions.own_sessions import OwnSessions, ShownSession
from svc_social.identity.actions.privacy import PrivacyChange, PrivacySettings
from svc_social.identity.actions.profiles import Profiles
from svc_social.identity.actions.roles import Roles
from svc_social.identity.actions.sessions import Sessions, TokenPair
from svc_social.identity.actions.settling import SignUpSettler
from svc_social.identity.actions.sign_in import SignIn, SignInRequest
from svc_social.identity.actions.sign_up import NewPerson, SignUp
from svc_social.identity.actions.signing_keys import SigningKeys
from svc_social.identity.errors import AccountNotFound
from svc_social.identity.rules import check_name

__all__ = [
    "AccountNotFound",
    "Guesses",
    "MailedLinks",
    "NewPassword",
    "NewPerson",
    "OwnSessions",
    "PrivacyChange",
    "PrivacySettings",
    "Profiles",
    "Roles",
    "Sessions",
    "ShownSession",
    "SignIn",
    "SignInRequest",
    "SignUp",
    "SignUpSettler",
    "SigningKeys",
    "TokenPair",
    "check_name",
]
