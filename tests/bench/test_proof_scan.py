"""The proof's search finds each canary in each form, cut in two anywhere, with gaps, and in streams; and nothing else."""

import base64
import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

import pytest

from proof_scan import SIZE, Canaries, list_forms, scan

FORMS = list(list_forms("a"))
CHANCE = random.Random(5)  # noqa: S311 - noise
NOISE = CHANCE.randbytes(300_000)


def make_canaries(count: int = 18) -> Canaries:
    canaries = Canaries()
    for number in range(count):
        canaries.plant(f"place {number}")
    return canaries


def zip_up(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a-name.txt", data)
    return file.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_found_in_each_form_and_named(form: str) -> None:
    canaries = make_canaries()
    wanted = canaries.made[17]
    written = list_forms(wanted.text)[form]
    assert {each.place for each, _ in scan(NOISE + written + NOISE, canaries.made)} == {"place 17"}
    assert form in {name for _, name in scan(written, canaries.made)}


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_that_is_cut_in_two_is_found_wherever_the_cut_is(form: str) -> None:
    canaries = make_canaries(4)
    written = list_forms(canaries.made[3].text)[form]
    for cut in range(1, len(written), 2):
        split = written[:cut] + b"\0\0\0\x07 a page's header \xff" + written[cut:]
        assert "place 3" in {each.place for each, _ in scan(split, canaries.made)}, cut


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b'{"key": "'])
def test_base64_of_a_text_around_it_is_found(before: bytes) -> None:
    canaries = make_canaries()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        written = encode(before + canaries.made[5].text.encode() + b" and more?>\xff")
        assert {each.place for each, _ in scan(written, canaries.made)} == {"place 5"}


def test_gaps_of_one_byte_are_seen_through() -> None:
    canaries = make_canaries()
    letters = canaries.made[9].text.encode()
    for every in (1, 3, 8):
        parts = [letters[start : start + every] for start in range(0, SIZE, every)]
        assert {each.place for each, _ in scan(b"\\".join(parts), canaries.made)} == {"place 9"}


PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zlib, stored fast": lambda data: zlib.compress(data, 1),
    "zip": zip_up,
    "gzip in base64": lambda data: base64.b64encode(gzip.compress(data)),
    "zlib in base64": lambda data: base64.b64encode(zlib.compress(data)),
    "cut off": lambda data: gzip.compress(data + CHANCE.randbytes(90_000))[:70_000],
}


@pytest.mark.parametrize("name", PACKS)
def test_compressed_streams_are_looked_into(name: str) -> None:
    canaries = make_canaries()
    text = f"some text {canaries.made[11].text} some text ".encode() * 3
    assert {each.place for each, _ in scan(NOISE + PACKS[name](text) + NOISE, canaries.made)} == {"place 11"}


def test_nothing_is_found_where_nothing_is() -> None:
    others = make_canaries()
    foreign = b" ".join(form for each in others.made for form in list_forms(each.text).values())
    assert scan(NOISE + foreign, make_canaries().made) == []
    assert scan(foreign, []) == []
