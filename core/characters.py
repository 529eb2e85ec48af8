"""Characters that nobody sees and every comparison does: controls, zero-width and direction marks, byte order marks."""

from __future__ import annotations

import re

INVISIBLE = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_INVISIBLE = re.compile(INVISIBLE)


def visible(text: str) -> str:
    """A text without them.

    >>> visible("GD\u200b002\ufeff")
    'GD002'
    """
    return _INVISIBLE.sub("", text)
