"""Which addresses a text may lead to, and how they are written. Used by fit.py and html_read.py."""

import re
from typing import Final
from urllib.parse import quote

ADDRESS_MAX_CHARACTERS: Final = 8_192
_SAFE: Final = "-_.+!*'(),%#@?=;:/&$~"
_SCHEMES: Final = ("http://", "https://", "mailto:")
_BLANK: Final = re.compile(r"[\x00-\x20\x7f]+")


def write_address(address: object, *, is_picture: bool = False) -> str | None:
    """Give an address as a text may hold it, or None where none may: only http, https, mailto, and paths of the same site.

    What an address can't hold is percent-encoded. Scripts (`javascript:`), data and other sites' paths (`//host`) are refused.
    """
    if not isinstance(address, str) or len(address) > ADDRESS_MAX_CHARACTERS:
        return None
    text = _BLANK.sub(lambda found: "" if found.start() == 0 or found.end() == len(address) else "%20", address)
    lower = text.lower()
    if lower.startswith(_SCHEMES[:2] if is_picture else _SCHEMES) or (
        not is_picture and re.match(r"#|/(?![/\\])", text) is not None
    ):
        return quote(text, safe=_SAFE, errors="replace")
    return None
