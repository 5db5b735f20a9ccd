"""Files as values: what an input of type file takes, and what an answer that is no text gives. Used by bodies.py, answers.py.

A file is `{name, media_type, base64}` (or `text` instead of `base64`); a text alone is a file of that text, in UTF-8. Files
that are too large to be held go from one party to the other in pieces: docs/decisions/0042.
"""

import base64
import binascii
from typing import Any, Final, NamedTuple

from blubees.connectors.actions.values import MisfitError

BYTES_TYPE: Final = "application/octet-stream"
NAME_MAX: Final = 255


class File(NamedTuple):
    """A file that is held: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


def read_file(value: Any) -> Any:
    """Read a value as a file; one that is piped stays as it is. Raises MisfitError."""
    if getattr(type(value), "is_piped", False):
        return value
    if type(value) is str:
        return File("", "text/plain; charset=utf-8", value.encode("utf-8", "replace"))
    if type(value) is not dict:
        raise MisfitError(value, "file")
    name, kind = value.get("name", ""), value.get("media_type", BYTES_TYPE)
    text, coded = value.get("text"), value.get("base64")
    if type(name) is not str or type(kind) is not str or (text is None) == (coded is None):
        raise MisfitError(value, "file")
    if type(text) is str:
        content = text.encode("utf-8", "replace")
    elif type(coded) is str:
        try:
            content = base64.b64decode(coded, validate=True)
        except binascii.Error:
            raise MisfitError(value, "file") from None
    else:
        raise MisfitError(value, "file")
    return File(clean_name(name), _clean(kind), content)


def read_files(value: Any) -> Any:
    """Read a file, or a list of files."""
    return [read_file(each) for each in value] if isinstance(value, list) else read_file(value)


def write_file(content: bytes, media_type: str, disposition: str) -> dict[str, Any]:
    """Give an answer that is a file as a value."""
    name = ""
    for part in disposition.split(";")[1:]:
        key, _, given = part.strip().partition("=")
        if key.lower() == "filename":
            name = clean_name(given.strip('"'))
    coded = base64.b64encode(content).decode()
    return {"name": name, "media_type": media_type, "size": len(content), "base64": coded}


def clean_name(name: str) -> str:
    """Give a file's name without folders, quotes and control characters: it stands in a header."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable() and letter not in '";')[:NAME_MAX]


def _clean(media_type: str) -> str:
    return "".join(letter for letter in media_type if " " <= letter <= "~")[:NAME_MAX]
