"""Finds canaries in bytes: in many encodings, cut in two, with a stray byte between letters, inside compressed streams.

Every canary begins and ends with the same four letters, so that one search per form finds all of them, however many there
are, and what stands beside the letters says which one it is. Each half identifies it: one that a page's border cut in two
anywhere still has a whole half. Used by bench/proof.py.
"""

import base64
import binascii
import contextlib
import re
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEAD, TAIL = "cnry", "yrnc"
SIZE: Final = 24
_HALF: Final = SIZE // 2
_FIXED: Final = len(HEAD)
_LOOK: Final = 1_048_576  # bytes of a compressed stream
_INFLATED: Final = 4_194_304
_STREAMS: Final = (
    (b"\x1f\x8b\x08", 31, 0),
    (b"\x78\x01", 15, 0),
    (b"\x78\x5e", 15, 0),
    (b"\x78\x9c", 15, 0),
    (b"\x78\xda", 15, 0),
)
_ZIP: Final = b"PK\x03\x04"
_BASE64_STREAM: Final = re.compile(rb"(?:H4sI|eA[E-H]|eF[4-7]|eJ[w-z]|eN[o-r])[A-Za-z0-9+/=]{24,}")  # gzip and zlib
_GAP: Final = re.compile(b"(?s:.?)".join(re.escape(letter.encode()) for letter in HEAD))


@dataclass(frozen=True)
class Canary:
    """Twenty-four letters and digits, of which sixteen are chance, and where they were planted."""

    place: str
    text: str


class Canaries:
    """Makes canaries and remembers them."""

    def __init__(self) -> None:
        self.made: list[Canary] = []

    def plant(self, place: str) -> str:
        """Give the text of a new one."""
        text = HEAD + secrets.token_hex(8) + TAIL
        self.made.append(Canary(place, text))
        return text


@dataclass(frozen=True)
class _Form:
    """How one encoding writes the halves, and the letters that all canaries share."""

    head: bytes
    tail: bytes
    first: dict[bytes, Canary]
    last: dict[bytes, Canary]


def list_forms(text: str) -> dict[str, bytes]:
    """The forms in which a text is looked for."""
    plain = text.encode()
    forms = {
        "raw": plain,
        "upper case": plain.upper(),
        "UTF-16LE": text.encode("utf-16-le"),
        "UTF-16BE": text.encode("utf-16-be"),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "reversed": plain[::-1],
        "percent": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "JSON escapes": "".join(f"\\u{byte:04x}" for byte in plain).encode(),
        "octets": ", ".join(str(byte) for byte in plain).encode(),
    }
    for shift in range(3):
        forms[f"base64 at {shift}"] = _encode_part(text, shift, 0, len(text))
    return forms


def scan(data: bytes, canaries: list[Canary]) -> list[tuple[Canary, str]]:
    """Find canaries in bytes, and in every compressed stream within them; each with the form it was found in."""
    forms = _make_forms(canaries)
    found = dict.fromkeys(_search(data, forms))
    for stream in _inflate_all(data):
        for canary, form in _search(stream, forms):
            found[canary, f"compressed, {form}"] = None
    return list(found)


def _encode_part(text: str, shift: int, start: int, end: int) -> bytes:
    """The base64 digits that letters `start` to `end` of a text alone decide, when `shift` bytes stand before the text."""
    digits = base64.b64encode(b"\0" * shift + text.encode() + b"\0\0")
    return digits[-(-8 * (shift + start) // 6) : 8 * (shift + end) // 6]


def _split(text: str, form: str) -> tuple[bytes, bytes, bytes, bytes]:
    """(what all canaries begin with, what all end with, first half, last half) in a form."""
    if form.startswith("base64"):
        shift, size = int(form[-1]), len(text)
        parts = ((0, _FIXED), (size - _FIXED, size), (0, _HALF), (_HALF, size))
        return tuple(_encode_part(text, shift, *part) for part in parts)  # type: ignore[return-value]
    if form == "reversed":
        text, form = text[::-1], "raw"
    pieces = (text[:_FIXED], text[-_FIXED:], text[:_HALF], text[_HALF:])
    return tuple(list_forms(piece)[form] for piece in pieces)  # type: ignore[return-value]


def _make_forms(canaries: list[Canary]) -> dict[str, _Form]:
    forms: dict[str, _Form] = {}
    for name in list_forms(HEAD + TAIL):
        split = [(canary, *_split(canary.text, name)) for canary in canaries]
        if split:
            first, last = {each[3]: each[0] for each in split}, {each[4]: each[0] for each in split}
            forms[name] = _Form(split[0][1], split[0][2], first, last)
    return forms


def _search(data: bytes, forms: dict[str, _Form]) -> Iterator[tuple[Canary, str]]:
    for name, form in forms.items():
        for table, word, is_first in ((form.first, form.head, True), (form.last, form.tail, False)):
            sizes = {len(half) for half in table}
            for place in _find_all(data, word):
                for size in sizes:
                    start = place if is_first else place + len(word) - size
                    canary = table.get(data[max(start, 0) : start + size])
                    if canary is not None:
                        yield canary, name
    if "raw" in forms:
        yield from _search_gaps(data, forms["raw"].first)


def _search_gaps(data: bytes, halves: dict[bytes, Canary]) -> Iterator[tuple[Canary, str]]:
    """Halves with at most one stray byte after each letter: what an escape or a compressor's control byte leaves."""
    for match in _GAP.finditer(data):
        window = data[match.start() : match.start() + 2 * _HALF]
        if window[:_HALF] in halves:
            continue
        for half, canary in halves.items():
            if re.match(b"(?s:.?)".join(re.escape(bytes([byte])) for byte in half), window):
                yield canary, "raw with gaps"


def _find_all(data: bytes, word: bytes) -> Iterator[int]:
    place = data.find(word)
    while place >= 0:
        yield place
        place = data.find(word, place + 1)


def _inflate_all(data: bytes) -> Iterator[bytes]:
    """Each stream that its first bytes announce, inflated as far as it goes."""
    yield from _inflate_raw(data)
    for match in _BASE64_STREAM.finditer(data):
        text = match[0].rstrip(b"=")
        with contextlib.suppress(binascii.Error):
            yield from _inflate_raw(base64.b64decode(text[: len(text) // 4 * 4]))


def _inflate_raw(data: bytes) -> Iterator[bytes]:
    for magic, bits, skipped in _STREAMS:
        for place in _find_all(data, magic):
            yield from _inflate(data, place + skipped, bits)
    for place in _find_all(data, _ZIP):
        names = int.from_bytes(data[place + 26 : place + 28], "little") + int.from_bytes(
            data[place + 28 : place + 30], "little"
        )
        yield from _inflate(data, place + 30 + names, -15)


def _inflate(data: bytes, place: int, bits: int) -> Iterator[bytes]:
    """Inflate in small pieces, so that a stream that is cut off or overwritten gives what stood before."""
    machine, given = zlib.decompressobj(bits), bytearray()
    for start in range(place, min(place + _LOOK, len(data)), 512):
        try:
            given += machine.decompress(data[start : start + 512], _INFLATED - len(given))
        except zlib.error:
            break
        if machine.eof or machine.unconsumed_tail or len(given) >= _INFLATED:
            break
    if given:
        yield bytes(given)


def say_found(found: list[tuple[Canary, str]]) -> str:
    """For the page."""
    return "none" if not found else "; ".join(sorted({f"{canary.place} ({form})" for canary, form in found}))
