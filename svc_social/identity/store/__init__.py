"""Typed repositories of identity: the only ones who read and write its rows."""

from svc_social.identity.session_tables import AuthorizationCode, MailToken, Session, SessionOfPerson, SignInAttempts, SigningKey
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.attempts import AttemptStore
from svc_social.identity.store.keys import PersonKeyStore, SigningKeyStore
from svc_social.identity.store.mail_tokens import MailTokenStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.store.sessions import SessionStore
from svc_social.identity.tables import Account, ConsentPeriod, Credential, PersonKey, Reservation, SignUpIntent

ROW_TYPES: tuple[type, ...] = (
    Account,
    AuthorizationCode,
    ConsentPeriod,
    Credential,
    MailToken,
    PersonKey,
    Reservation,
    Session,
    SessionOfPerson,
    SignInAttempts,
    SigningKey,
    SignUpIntent,
)

__all__ = [
    "ROW_TYPES",
    "AccountStore",
    "AttemptStore",
    "MailTokenStore",
    "NameStore",
    "PersonKeyStore",
    "SessionStore",
    "SigningKeyStore",
]
