"""Makes the files of a connector: a scaffold (`make new-connector`), its examples, and the catalogue's pages.

Called from the Makefile as `python -m blubees.main.connector_files new NAME`, `… examples NAME DOCUMENT` or `… pages`;
the tests compare the pages.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from blubees.connectors.catalogue import MADE, list_catalogue, load_connector, load_documented
from blubees.connectors.contract.check import NAME
from blubees.connectors.contract.made_examples import write_examples
from blubees.connectors.contract.pages import write_index, write_page
from blubees.connectors.contract.reader import read_connector
from blubees.connectors.contract.words import write_words
from blubees.main.example_maker import Maker

ROOT: Final = Path(__file__).resolve().parents[3]
CATALOGUE: Final = Path("src/blubees/connectors/catalog")
PROBLEMS: Final = 2
SCAFFOLD: Final = """\
# The form: CONTRIBUTING.md, "Add a connector". `make connector-pages` writes its page, which tells what lacks for a grade.
name: {name}
title: {title}
description: What one does with {title}, in a sentence.
docs_url: https://developer.{name}.example/
base_url: https://api.{name}.example/v1
auth:
  kind: bearer
  docs: Where a person gets the token.
limits: {{timeout_seconds: 30}}
errors:
  - {{status: 429, means: busy, wait_header: retry-after}}
  - {{status: 401, means: credential_refused}}
trial: {{action: get_me}}
actions:
  get_me:
    title: Get the connection's own account
    docs_url: https://developer.{name}.example/me
    request: {{method: GET, path: /me}}
    outputs: {{id: text, name: text}}
    effect: read
    examples:
      - inputs: {{}}
        asks: {{method: GET, path: /v1/me}}
        replies: {{body: {{id: "1", name: Bees}}}}
        gives: {{id: "1", name: Bees}}
      - inputs: {{}}
        replies: {{status: 401}}
        fails: credential_refused
"""


def write_scaffold(name: str) -> str:
    """Write the file of a new connector: it is sound, and a draft. Raises ConnectorError."""
    text = SCAFFOLD.format(name=name, title=write_words(name))
    read_connector(text, f"{name}.yaml")
    return text


def write_pages() -> dict[str, str]:
    """Write all pages of the catalogue, by their places below the project's root."""
    connectors = [each for name in list_catalogue() if (each := load_documented(name)) is not None]
    pages = {f"docs/connectors/{each.name}.md": write_page(each) for each in connectors}
    return {"docs/connectors.md": write_index(connectors), **pages}


def main(words: Sequence[str]) -> int:
    """Make what is asked for."""
    if list(words) == ["pages"]:
        return _put_pages()
    if len(words) == 2 and words[0] == "new":  # noqa: PLR2004 - the word and the name
        return _put_scaffold(words[1])
    if len(words) == 3 and words[0] == "examples":  # noqa: PLR2004 - the word, the name and the document
        return _put_examples(words[1], Path(words[2]))
    sys.stderr.write("make new-connector NAME=acme, make connector-examples NAME=acme DOCUMENT=file, or make connector-pages\n")
    return PROBLEMS


def _put_pages() -> int:
    pages = write_pages()
    (ROOT / "docs/connectors").mkdir(exist_ok=True)
    for place in (ROOT / "docs/connectors").glob("*.md"):
        if f"docs/connectors/{place.name}" not in pages:
            place.unlink()
    for name, text in pages.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(pages)} pages in docs/\n")
    return 0


def _put_examples(name: str, document: Path) -> int:
    connector = load_connector(name)
    if connector is None or not document.is_file():
        sys.stderr.write(
            f"NAME={name} must be a connector of the catalogue, DOCUMENT={document} its OpenAPI document as JSON.\n"
        )
        return PROBLEMS
    made, lacking = Maker(connector, orjson.loads(document.read_bytes())).make_all()
    (ROOT / CATALOGUE / f"{name}{MADE}").write_bytes(write_examples(made))
    sys.stdout.write(f"{len(made)} actions have examples now. Not in the document: {', '.join(lacking) or 'none'}.\n")
    return 0


def _put_scaffold(name: str) -> int:
    place = ROOT / CATALOGUE / f"{name}.yaml"
    if not NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        sys.stderr.write(f"NAME={name}: lower-case letters, digits and _, beginning with a letter, such as {near or 'acme'}.\n")
        return PROBLEMS
    if place.exists():
        sys.stderr.write(f"{place} is there already.\n")
        return PROBLEMS
    place.write_text(write_scaffold(name), encoding="utf-8")
    sys.stdout.write(f"{place.relative_to(ROOT)}: fill it in, then `make connector-pages` and `make test`.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
