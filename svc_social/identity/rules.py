"""Pure decisions about names, addresses, passwords, birth dates and texts of people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from clipmesh.common.v1 import viewer_pb2

from svc_social.identity.common_passwords import COMMON_PASSWORDS
from svc_social.identity.errors import (
    HandleNotAllowed,
    InvalidBirthDate,
    InvalidEmail,
    InvalidText,
    NotAtThisAge,
    PasswordTooWeak,
    TooYoung,
)
from svc_social.identity.lookalikes import mixes_scripts, poses_as_staff
from svc_social.identity.tables import Account, Audience

MIN_AGE_YEARS = 13
PRIVATE_BY_DEFAULT_BELOW_YEARS = 16
ADULT_AGE_YEARS = 18
MAX_AGE_YEARS = 120
NEW_ACCOUNT_MS = 7 * 24 * 3_600_000
"""An account is new for a week."""

RESERVED_HANDLES = frozenset(
    [
        "about",
        "account",
        "accounts",
        "admin",
        "administrator",
        "api",
        "app",
        "auth",
        "billing",
        "clipmesh",
        "contact",
        "copyright",
        "explore",
        "feed",
        "following",
        "for_you",
        "foryou",
        "graphql",
        "guest",
        "healthz",
        "help",
        "home",
        "jobs",
        "legal",
        "login",
        "logout",
        "me",
        "media",
        "metrics",
        "mod",
        "moderation",
        "moderator",
        "news",
        "null",
        "oauth",
        "official",
        "operator",
        "privacy",
        "review",
        "rights",
        "root",
        "search",
        "security",
        "settings",
        "shop",
        "signin",
        "signup",
        "sounds",
        "staff",
        "static",
        "status",
        "studio",
        "support",
        "system",
        "team",
        "terms",
        "trending",
        "undefined",
        "upload",
        "user",
        "users",
        "verified",
        "www",
    ]
)
_HANDLE = re.compile(r"[a-z0-9_][a-z0-9_.]{0,22}[a-z0-9_]")
_EMAIL_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_REGION = re.compile(r"[A-Z]{2}")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset({"\u200c", "\u200d"})
"""Format characters that words and emoji of several scripts need; allowed between visible characters only."""
_MAX_MARKS_IN_A_ROW = 4
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks that show nothing, though their categories are those of visible ones."""
_MESSAGES_FROM_BANDS = frozenset({viewer_pb2.AGE_BAND_16_TO_17, viewer_pb2.AGE_BAND_ADULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Who may see a person and who may answer them."""

    is_private: bool
    comments: Audience
    duets: Audience
    stitches: Audience
    messages: Audience


def fold_handle(text: str) -> str:
    """The handle as it is stored: lower case, without a leading @. Only ASCII can pass, so no two handles look alike by script.
    Whoever has a handle is found by it, also when nobody may take it any more. Raises HandleNotAllowed."""
    handle = text.strip().removeprefix("@").lower()
    if not _HANDLE.fullmatch(handle) or ".." in handle or not _bare(handle):
        raise HandleNotAllowed()
    return handle


def check_new_handle(text: str) -> str:
    """The handle that a new person takes: neither reserved nor alike to one that is. Raises HandleNotAllowed."""
    handle = fold_handle(text)
    bare = _bare(handle)
    if handle in RESERVED_HANDLES or bare in RESERVED_HANDLES or poses_as_staff(handle):
        raise HandleNotAllowed("this handle is reserved")
    return handle


def _bare(handle: str) -> str:
    return handle.replace(".", "").replace("_", "")


def fold_email(text: str) -> str:
    """The address as it is compared and sealed: lower case, the domain in its ASCII form. Raises InvalidEmail."""
    local, at, domain = unicodedata.normalize("NFKC", text).strip().lower().rpartition("@")
    if not at or len(local) > 64 or not _EMAIL_LOCAL.fullmatch(local):
        raise InvalidEmail()
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise InvalidEmail() from error
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InvalidEmail()
    email = f"{local}@{ascii_domain}"
    if len(email) > 254:
        raise InvalidEmail()
    return email


def check_password(password: str, *, handle: str, email: str) -> str:
    """The password as it is hashed (NFKC, so that two keyboards agree). Raises PasswordTooWeak."""
    normal = unicodedata.normalize("NFKC", password)
    if not 8 <= len(normal) <= 128 or "\x00" in normal:
        raise PasswordTooWeak()
    plain = normal.casefold()
    if plain in COMMON_PASSWORDS or len(set(plain)) < 3:
        raise PasswordTooWeak("this password is among the commonest")
    if plain in {handle, email, email.partition("@")[0]}:
        raise PasswordTooWeak("the password is the name")
    return normal


def normal_password(password: str) -> str:
    """A typed password in the form that is hashed."""
    return unicodedata.normalize("NFKC", password)


def today_of(now_ms: int) -> date:
    """The day in UTC."""
    return datetime.fromtimestamp(now_ms / 1000, tz=UTC).date()


def age_years(born: date, today: date) -> int:
    """Completed years; who was born on 29 February turns older on 1 March in other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def check_birth_date(text: str, today: date) -> date:
    """The day a person was born. Raises InvalidBirthDate and TooYoung."""
    try:
        born = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidBirthDate() from error
    if born > today or age_years(born, today) > MAX_AGE_YEARS:
        raise InvalidBirthDate()
    if age_years(born, today) < MIN_AGE_YEARS:
        raise TooYoung()
    return born


def age_band(born: date, today: date) -> viewer_pb2.AgeBand.ValueType:
    """The band services may know."""
    years = age_years(born, today)
    if years >= ADULT_AGE_YEARS:
        return viewer_pb2.AGE_BAND_ADULT
    if years >= PRIVATE_BY_DEFAULT_BELOW_YEARS:
        return viewer_pb2.AGE_BAND_16_TO_17
    return viewer_pb2.AGE_BAND_13_TO_15


def allowed_consents(
    wanted: Iterable[viewer_pb2.ConsentPurpose.ValueType], band: viewer_pb2.AgeBand.ValueType
) -> tuple[viewer_pb2.ConsentPurpose.ValueType, ...]:
    """The purposes that count: a person under 16 cannot allow personal advertisements, so that wish is left out."""
    purposes = sorted(set(wanted))
    if band in (viewer_pb2.AGE_BAND_13_TO_15, viewer_pb2.AGE_BAND_UNSPECIFIED):
        purposes = [purpose for purpose in purposes if purpose != viewer_pb2.CONSENT_PURPOSE_ADS]
    return tuple(purposes)


def privacy_of(account: Account) -> Privacy:
    """Who may see and answer a person, as it holds now: chosen, else the default; what the age rules forbid is left out whatever was chosen."""
    young = account.age_band not in _MESSAGES_FROM_BANDS
    return Privacy(
        is_private=account.is_private,
        comments=account.comments_from or Audience.EVERYONE,
        duets=account.duets_from or Audience.EVERYONE,
        stitches=account.stitches_from or Audience.EVERYONE,
        messages=Audience.NOBODY if young else account.messages_from or Audience.FRIENDS,
    )


def check_messages(audience: Audience, band: int) -> None:
    """Direct messages are off for people under 16, and for those whose age is not known. Raises NotAtThisAge."""
    if audience is not Audience.NOBODY and band not in _MESSAGES_FROM_BANDS:
        raise NotAtThisAge("direct messages are off below 16", setting="messages")


def check_text(text: str, *, field: str, most: int, lines: bool = False) -> str:
    """A text of a person in NFC without surrounding space: no control, invisible or direction-changing characters, no towers of marks.
    Line breaks only with `lines`. Raises InvalidText."""
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    if len(normal) > most:
        raise InvalidText(f"{field} is longer than {most} characters", field=field)
    marks = 0
    for place, character in enumerate(normal):
        if lines and character == "\n":
            continue
        if character in _JOINERS and all(
            unicodedata.category(beside)[0] in "LMS" for beside in (normal[place - 1], normal[place + 1 : place + 2] or " ")
        ):
            continue
        category = unicodedata.category(character)
        if category in _FORBIDDEN_CATEGORIES or character in _BLANKS:
            raise InvalidText(f"{field} has a character that is not allowed", field=field)
        marks = marks + 1 if category == "Mn" else 0
        if marks > _MAX_MARKS_IN_A_ROW:
            raise InvalidText(f"{field} piles up marks", field=field)
    return normal


def check_name(text: str, *, field: str) -> str:
    """A name with something visible in it, at most 50 characters. Raises InvalidText."""
    name = check_text(text, field=field, most=50)
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise InvalidText(f"{field} has nothing visible", field=field)
    return name


def check_display_name(text: str) -> str:
    """The name that a person shows, its spaces all of one kind and single: it neither mixes scripts within a word nor looks like the name of
    somebody who runs the place. Raises InvalidText."""
    name = " ".join(check_name(text, field="display_name").split())
    if mixes_scripts(name):
        raise InvalidText("display_name mixes letters of several scripts in a word", field="display_name")
    if poses_as_staff(name):
        raise InvalidText("display_name looks like the name of somebody who runs the place", field="display_name")
    return name


def check_region(text: str) -> str:
    """An ISO 3166-1 alpha-2 code in upper case, or nothing. Raises InvalidText."""
    region = text.strip().upper()
    if region and not _REGION.fullmatch(region):
        raise InvalidText("region is no two-letter code of a country", field="region")
    return region


def check_languages(tags: Sequence[str]) -> tuple[str, ...]:
    """BCP 47 tags, each once, in the order given. Raises InvalidText."""
    for tag in tags:
        if not _LANGUAGE.fullmatch(tag) or len(tag) > 35:
            raise InvalidText("languages has something that is no language tag", field="languages")
    return tuple(dict.fromkeys(tags))
