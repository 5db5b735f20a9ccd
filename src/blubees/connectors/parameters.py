"""What a connection tells of where its third party is: `{site}` in a base URL. Used by connectors/caller.py.

A connection keeps it among its settings as `param_site`. Whatever it says, the call goes to the connection's own hosts only.
"""

import re
from collections.abc import Mapping
from typing import Final

from blubees.model.authorisation import PARAMETER_PREFIX

ADDRESSING: Final = "addressing"
"""The parameter that tells where a bucket's name goes; its choices are `virtual` and `path`."""
PATH_STYLE: Final = "path"
_NAMED: Final = re.compile(r"\{([^{}/?#]*)\}")
_HOST: Final = re.compile(r"[A-Za-z0-9._~:-]{1,253}")
_PATH: Final = re.compile(r"[A-Za-z0-9._~:@-]{1,253}(/[A-Za-z0-9._~:@-]{1,253}){0,9}")


def fill_url(url: str, defaults: Mapping[str, str], settings: Mapping[str, str]) -> str | None:
    """Give the URL with what its parameters stand for; None when one is not told, or could change more than its place.

    In the host nothing may part it; in the path a parameter may have parts itself, none of which leads upwards.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:  # another text that a connector prescribes
        return _fill(url, defaults, settings, _HOST)
    host, slash, path = rest.partition("/")
    filled = [_fill(host, defaults, settings, _HOST), _fill(path, defaults, settings, _PATH)]
    if filled[0] is None or filled[1] is None:
        return None
    return f"{scheme}{separator}{filled[0]}{slash}{filled[1]}"


def place_bucket(url: str, addressing: str) -> str:
    """Put the first part of a URL's path before its host, unless the connection has it stay there.

    A name with a dot stays in the path: the certificate of the host would not be one for it, as AWS's own tools have it.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    bucket, _, below = path.partition("/")
    if addressing == PATH_STYLE or "." in bucket:
        return url
    return f"{scheme}://{bucket}.{host}/{below}"


def _fill(text: str, defaults: Mapping[str, str], settings: Mapping[str, str], allowed: re.Pattern[str]) -> str | None:
    for name in _NAMED.findall(text):
        told = _find(name, defaults, settings) if name in defaults else ""
        if name in defaults and (not allowed.fullmatch(told) or {".", ".."} & set(told.split("/"))):
            return None
    return _NAMED.sub(lambda found: _find(found[1], defaults, settings) if found[1] in defaults else found[0], text)


def _find(name: str, defaults: Mapping[str, str], settings: Mapping[str, str]) -> str:
    told = settings.get(PARAMETER_PREFIX + name) or defaults[name]
    if told != defaults[name]:
        return told
    # a default can be made of another parameter: s3.{region}.amazonaws.com
    return _NAMED.sub(lambda found: settings.get(PARAMETER_PREFIX + found[1]) or defaults.get(found[1], ""), told)
