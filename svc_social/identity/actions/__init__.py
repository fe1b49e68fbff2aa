"""What people can do with identity: the door of this area."""

from svc_social.identity.actions.avatars import Avatars
from svc_social.identity.actions.bans import Bans
from svc_social.identity.actions.guesses import Guesses
from svc_social.identity.actions.handles import Handles
from svc_social.identity.actions.mailed_links import MailedLinks
from svc_social.identity.actions.naming import Naming
from svc_social.identity.actions.new_password import NewPassword
from svc_social.identity.actions.notices import Notices
from svc_social.identity.actions.own_sessions import OwnSessions, ShownSession
from svc_social.identity.actions.privacy import PrivacyChange, PrivacySettings
from svc_social.identity.actions.profiles import ProfileChange, Profiles
from svc_social.identity.actions.roles import Roles
from svc_social.identity.actions.sessions import Sessions, TokenPair
from svc_social.identity.actions.settling import SignUpSettler
from svc_social.identity.actions.sign_in import SignIn, SignInRequest
from svc_social.identity.actions.sign_up import NewPerson, SignUp
from svc_social.identity.actions.signing_keys import SigningKeys
from svc_social.identity.convert import profile_to_proto
from svc_social.identity.errors import AccountNotFound, InvalidText
from svc_social.identity.people import Person
from svc_social.identity.rules import NEW_ACCOUNT_MS, check_name, check_text, privacy_of

__all__ = [
    "NEW_ACCOUNT_MS",
    "AccountNotFound",
    "Avatars",
    "Bans",
    "Guesses",
    "Handles",
    "InvalidText",
    "MailedLinks",
    "Naming",
    "NewPassword",
    "NewPerson",
    "Notices",
    "OwnSessions",
    "Person",
    "PrivacyChange",
    "PrivacySettings",
    "ProfileChange",
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
    "check_text",
    "privacy_of",
    "profile_to_proto",
]
