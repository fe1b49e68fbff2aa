"""Errors of identity.

MeshError
├── InvalidArgument
│   ├── HandleNotAllowed
│   ├── InvalidEmail
│   ├── InvalidBirthDate
│   ├── PasswordTooWeak
│   ├── InvalidText
│   ├── PkceRequired
│   ├── RedirectNotAllowed
│   └── InvalidMailToken
├── AlreadyExists
│   ├── HandleTaken
│   └── EmailTaken
├── NotFound
│   ├── AccountNotFound
│   ├── ProfileNotFound
│   ├── UnknownClient
│   └── SessionNotFound
├── FailedPrecondition
│   ├── TooYoung
│   └── NotAtThisAge
├── Unauthenticated
│   ├── WrongCredentials
│   └── InvalidGrant
├── PermissionDenied
│   └── AccountBanned
└── ResourceExhausted
    ├── TooManyAttempts
    └── HashingOverloaded    (OVERLOADED)
"""

from __future__ import annotations

from mesh.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated


class HandleNotAllowed(InvalidArgument):
    """A handle has 2 to 24 of a-z, 0-9, _ and ., no dot at an end or beside another, and is no reserved word."""

    reason = "HANDLE_NOT_ALLOWED"


class InvalidEmail(InvalidArgument):
    """This is no e-mail address."""

    reason = "INVALID_EMAIL"


class InvalidBirthDate(InvalidArgument):
    """The birth date is no day, lies in the future or is too long ago."""

    reason = "INVALID_BIRTH_DATE"


class PasswordTooWeak(InvalidArgument):
    """A password has 8 to 128 characters and is none of the commonest."""

    reason = "PASSWORD_TOO_WEAK"


class InvalidText(InvalidArgument):
    """The text has characters that are not allowed, or nothing visible."""

    reason = "INVALID_TEXT"


class PkceRequired(InvalidArgument):
    """A code challenge with method S256 is required."""

    reason = "PKCE_REQUIRED"


class RedirectNotAllowed(InvalidArgument):
    """The redirect is not registered for the application."""

    reason = "REDIRECT_NOT_ALLOWED"


class InvalidMailToken(InvalidArgument):
    """The link is unknown, was used or is older than 30 minutes; ask for a new one."""

    reason = "INVALID_MAIL_TOKEN"


class HandleTaken(AlreadyExists):
    """The handle belongs to somebody."""

    reason = "HANDLE_TAKEN"


class EmailTaken(AlreadyExists):
    """The address belongs to an account."""

    reason = "EMAIL_TAKEN"


class AccountNotFound(NotFound):
    """There is no such account."""

    reason = "ACCOUNT_NOT_FOUND"


class ProfileNotFound(NotFound):
    """There is no such profile."""

    reason = "PROFILE_NOT_FOUND"


class UnknownClient(NotFound):
    """There is no such application."""

    reason = "UNKNOWN_CLIENT"


class SessionNotFound(NotFound):
    """You have no such session."""

    reason = "SESSION_NOT_FOUND"


class TooYoung(FailedPrecondition):
    """An account needs an age of at least 13 years."""

    reason = "TOO_YOUNG"


class NotAtThisAge(FailedPrecondition):
    """The rules for your age forbid this setting."""

    reason = "NOT_AT_THIS_AGE"


class WrongCredentials(Unauthenticated):
    """Login and password do not match an account."""

    reason = "WRONG_CREDENTIALS"


class InvalidGrant(Unauthenticated):
    """The code or refresh token is unknown, used, expired or not this application's."""

    reason = "INVALID_GRANT"


class AccountBanned(PermissionDenied):
    """The account was shut out by those who run the place."""

    reason = "ACCOUNT_BANNED"


class TooManyAttempts(ResourceExhausted):
    """There were too many failed sign-ins; wait."""

    reason = "TOO_MANY_ATTEMPTS"


class HashingOverloaded(ResourceExhausted):
    """Too many passwords wait to be checked; try again."""
