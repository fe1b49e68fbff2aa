"""Names that look like others: letters of scripts that are mixed to deceive, and names of those who run the place."""

from __future__ import annotations

import re
import unicodedata

_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "DESERET"})
"""Scripts whose letters look like one another's. Words of East Asian scripts mix with Latin by custom, and deceive nobody."""
_WORD = re.compile(r"[^\W\d_]+")
_SHAPES = str.maketrans(
    {
        **dict(zip("авеёкмнорстухіїѕјһԁԛԝґпԍ", "abeekmhopctyxiisjhdqwrng", strict=True)),
        **dict(zip("αβγεηικμνορτυχω", "abyeniкmvoptuxw".replace("к", "k"), strict=True)),
        **dict(zip("ıłøđħŧɑɡɩʟօսոցւ", "iloddtagiloungi", strict=True)),
        **dict(zip("013457|!$@", "oleastlisa", strict=True)),
    }
)
_OFFICES = ("admin", "administrator", "moderator", "mod", "official", "staff", "support", "system", "team", "security", "help")
_ALONE = ("admin", "administrator", "moderator", "official", "staff", "support", "system")
_OURS = "clipmesh"


def mixes_scripts(text: str) -> bool:
    """True when one word has letters of several scripts that look alike, as `pаypal` with a Cyrillic а does."""
    return any(len(_ALIKE & {_script(letter) for letter in word}) > 1 for word in _WORD.findall(unicodedata.normalize("NFKC", text)))


def skeleton(text: str) -> str:
    """What a text looks like: letters and digits that are alike are the same, all else is left out (after Unicode TS 39, 4, for the shapes
    that Latin words can be written with)."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(one) != "Mn")
    shapes = unicodedata.normalize("NFKD", plain.casefold()).translate(_SHAPES)
    bare = "".join(one for one in shapes if one.isalnum())
    # Capital i, small L and 1 are one stroke; r and n side by side are an m, two v a w.
    return bare.replace("rn", "m").replace("vv", "w").replace("i", "l")


_OUR_SKELETON = skeleton(_OURS)
_OFFICE_SKELETONS = frozenset({"", *map(skeleton, _OFFICES)})
_ALONE_SKELETONS = frozenset(map(skeleton, _ALONE))


def poses_as_staff(text: str) -> bool:
    """True when a name looks like that of the place, of an office here, or of both together."""
    bones = skeleton(text)
    return bones in _ALONE_SKELETONS or (_OUR_SKELETON in bones and bones.replace(_OUR_SKELETON, "", 1) in _OFFICE_SKELETONS)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
