"""What a tool says, made fit to be told: no path of this machine, no address in memory, nothing that a terminal would obey."""

import re
from collections.abc import Mapping

_OTHER_PATHS = re.compile(r"(?<![\w/.<>~-])(?:/[\w.@+~-]+){2,}/?")
_ADDRESSES = re.compile(r" ?@ ?0x[0-9a-fA-F]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]")


def fit_to_tell(text: str, names: Mapping[str, str]) -> str:
    """The text with each path of `names` replaced by its name, and every other path by a word.

    What stands in a file may be printed by a tool as it is, so a creator chooses part of the text; file names may be hostile too.
    """
    for path in sorted(names, key=len, reverse=True):
        text = text.replace(path, names[path])
    return _CONTROLS.sub("?", _ADDRESSES.sub("", _OTHER_PATHS.sub("<path>", text))).strip()
