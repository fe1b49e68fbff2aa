"""What people can do with identity: the door of this area."""

from svc_social.identity.actions.profiles import Profiles
from svc_social.identity.actions.roles import Roles
from svc_social.identity.actions.sessions import Sessions, TokenPair
from svc_social.identity.actions.settling import SignUpSettler
from svc_social.identity.actions.sign_in import SignIn, SignInRequest
from svc_social.identity.actions.sign_up import NewPerson, SignUp
from svc_social.identity.actions.signing_keys import SigningKeys

__all__ = [
    "NewPerson",
    "Profiles",
    "Roles",
    "Sessions",
    "SignIn",
    "SignInRequest",
    "SignUp",
    "SignUpSettler",
    "SigningKeys",
    "TokenPair",
]
