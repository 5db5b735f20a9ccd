"""Finds what references lead to: in the document, and in the files given along. Used by connectors/importers/openapi.

Nothing is fetched here: a file that is not given is named in NeedsFilesError, and whoever called may bring it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from blubees.connectors.importers.documents import read_document
from blubees.connectors.importers.limits import DOCUMENT_MAX_BYTES, FILES_MAX, HOPS_MAX
from blubees.connectors.importers.notes import Notes
from blubees.model.errors import InputError

MAIN: Final = "https://document.invalid/document"
"""The base of relative references where no URL is known: files given along are `https://document.invalid/path`."""


class NeedsFilesError(Exception):
    """The document refers to files that were not given: their URLs."""

    def __init__(self, urls: tuple[str, ...]) -> None:
        super().__init__(f"{len(urls)} files are needed")
        self.urls = urls


class Found(NamedTuple):
    """A value, in which file it is and where there: (file, pointer) is the same for the same value."""

    value: Any
    file: str
    pointer: str


class Files:
    """The document and the files that it refers to.

    Args:
        url: where the document comes from; empty: not known.
        given: files by URL; for a document without one, by `https://document.invalid/path`, relative to its folder.
    """

    def __init__(self, document: Any, url: str, given: Mapping[str, bytes], notes: Notes) -> None:  # noqa: ANN401 - JSON
        self.main = urldefrag(url)[0] or MAIN
        self._read: dict[str, Any] = {self.main: document}
        self._given, self._notes = given, notes
        self._missing: dict[str, None] = {}
        self._found: dict[tuple[str, str], Found | None] = {}
        self._bytes = 0

    def find(self, file: str, reference: object) -> Found | None:
        """Follow a reference from a file, and those that it leads to; None (and a note) where it leads nowhere."""
        if not isinstance(reference, str):
            return None
        key = (file, reference)
        if key not in self._found:
            self._found[key] = self._follow(file, reference)
        return self._found[key]

    def resolve(self, value: Any, file: str) -> tuple[Any, str]:  # noqa: ANN401 - JSON
        """Give an object, or what it refers to (an empty one where that leads nowhere), and the file that it is in."""
        for _ in range(HOPS_MAX):
            if not isinstance(value, dict):
                return {}, file
            if "$ref" not in value:
                return value, file
            found = self.find(file, value["$ref"])
            if found is None:
                return {}, file
            value, file = found.value, found.file
        return {}, file

    def forbid_missing(self) -> None:
        """Raise NeedsFilesError when references led to files that were not given."""
        if self._missing:
            raise NeedsFilesError(tuple(self._missing))

    def _follow(self, file: str, reference: str) -> Found | None:
        for _ in range(HOPS_MAX):
            try:
                target, fragment = urldefrag(urljoin(file, reference) if not reference.startswith("#") else file + reference)
            except ValueError:
                break
            document = self._open(target)
            if document is None:
                return None
            pointer = unquote(fragment)
            value = _walk(document, pointer)
            if value is _NOWHERE:
                break
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str) and len(value) == 1):
                return Found(value, target, pointer)
            file, reference = target, value["$ref"]
        self._notes.tell(reference, "this reference leads nowhere; anything is allowed there.")
        return None

    def _open(self, target: str) -> Any:  # noqa: ANN401 - JSON
        if target in self._read:
            return self._read[target]
        if target in self._given:
            if len(self._read) > FILES_MAX:
                raise InputError(f"The document refers to more than {FILES_MAX} files. Bundle them into one.")
            self._bytes += len(self._given[target])
            if self._bytes > DOCUMENT_MAX_BYTES:
                raise InputError(f"The files that the document refers to have more than {DOCUMENT_MAX_BYTES:,} bytes.")
            self._read[target] = read_document(self._given[target])
            return self._read[target]
        if not is_beneath(target, self.main):
            self._notes.tell("", "A reference leads to another host or out of the document's folder; it is not followed.")
            return None
        if len(self._missing) < FILES_MAX:
            self._missing[target] = None
        return None


def is_beneath(target: str, main: str) -> bool:
    """Tell whether a file lies in the folder of the document or beneath it, at the same origin."""
    parts, home = urlsplit(target), urlsplit(main)
    folder = home.path.rpartition("/")[0] + "/"
    path = unquote(parts.path)
    return (
        (parts.scheme, parts.netloc, parts.query) == (home.scheme, home.netloc, "")
        and path.startswith(folder)
        and ".." not in path.split("/")
        and "\\" not in path
        and path.isprintable()
    )


_NOWHERE: Final = object()


def _walk(document: Any, pointer: str) -> Any:  # noqa: ANN401 - JSON
    """Follow a JSON pointer (RFC 6901)."""
    if not pointer:
        return document
    if not pointer.startswith("/"):
        return _NOWHERE
    value = document
    for raw in pointer[1:].split("/"):
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and len(part) < 8 and int(part) < len(value):  # noqa: PLR2004
            value = value[int(part)]
        else:
            return _NOWHERE
    return value
