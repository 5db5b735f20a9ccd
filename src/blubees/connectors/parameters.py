"""What a connection tells of where its third party is: `{site}` in a base URL. Used by connectors/caller.py.

A connection keeps it among its settings as `param_site`. Whatever it says, the call goes to the connection's own hosts only.
"""

import re
from collections.abc import Mapping
from typing import Final

from blubees.model.authorisation import PARAMETER_PREFIX

_NAMED: Final = re.compile(r"\{([^{}/?#]*)\}")
_SAFE: Final = re.compile(r"[A-Za-z0-9._~:-]{1,253}")


def fill_url(url: str, defaults: Mapping[str, str], settings: Mapping[str, str]) -> str | None:
    """Give the URL with what its parameters stand for; None when one is not told, or could change more than its place."""
    if any(not _SAFE.fullmatch(_find(name, defaults, settings)) for name in _NAMED.findall(url) if name in defaults):
        return None
    return _NAMED.sub(lambda found: _find(found[1], defaults, settings) if found[1] in defaults else found[0], url)


def _find(name: str, defaults: Mapping[str, str], settings: Mapping[str, str]) -> str:
    return settings.get(PARAMETER_PREFIX + name) or defaults[name]
