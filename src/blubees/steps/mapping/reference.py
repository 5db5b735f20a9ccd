"""Writes docs/mappings.md from the tables of types and samples, working each example out; a test compares the two."""

import json
from typing import Any, Final

import msgspec
import yaml

from blubees.connectors.rich_text.bounds import DEPTH_MAX, HTML_MAX_CHARACTERS, NODES_MAX, TEXT_MAX_CHARACTERS
from blubees.connectors.rich_text.convert import TextForm, write_text
from blubees.connectors.rich_text.html_tree import PARTS_MAX
from blubees.connectors.rich_text.samples import SAMPLES
from blubees.expressions.document import compile_document
from blubees.steps.mapping.rule import FIELDS_MAX, ITEMS_MAX, VALUES_MAX, FieldRule, map_fields, prepare_fields
from blubees.steps.mapping.types import TYPES

HEAD: Final = """\
# Mappings
A step of the kind `map` says for each target field where its value comes from, which type it must be, and what happens when there is
none. What it gives is read as `{{steps.<id>}}`, all fields, or field by field. This page is made from the code; a test works out every example.

"""
FLOW: Final = """\
id: take-over
name: Take a request over into Jira
trigger: {on: webhook}
steps:
  - id: fields
    kind: map
    with:
      fields:
        customfield_10010: "{{webhookData.number}}"
        customfield_10020: {from: "{{webhookData.points}}", as: number}
        priority: {from: "{{webhookData.severity}}", as: named, values: {sev1: Highest, sev2: High, _other: Medium}, ignore_case: true}
        labels: {from: "{{webhookData.tags}}", as: text, many: true, default: untagged}
        duedate: {from: "{{webhookData.due}}", as: date, clear: true}
        assignee: {from: "{{webhookData.owner}}", as: user}
        description: {from: "{{webhookData.body}}", as: rich_text, reads: markdown, required: true}
  - id: make
    kind: jira.create_issue
    with: {project: AB, type: Task, summary: "{{webhookData.title}}", fields: "{{steps.fields}}"}
"""
DATA: Final[dict[str, Any]] = {
    "number": 17,
    "points": "3",
    "severity": "SEV1",
    "tags": ["web", "urgent"],
    "due": None,
    "body": "It **broke**.",
}
RULES: Final = f"""
## What a field says
`field: "{{{{…}}}}"` is short for `field: {{from: "{{{{…}}}}"}}`. All but `from`, `default` and what stands in `values` is written in the flow and
can't come from a smart value; what a smart value gives is never read as a rule.

| word | what |
|---|---|
| `from` | the value |
| `as` | the type that it becomes, one of those below; without it the value stays as it is |
| `many` | the field is a list: each item becomes the type, nulls and empty texts go, and one value is a list of one |
| `required` | without a value the step fails; else the field is left out of the result (not null) |
| `default` | the value when there is none; it is converted too |
| `clear` | without a value the field is null, which empties it in Jira |
| `values` | what stands for which value; `_other` for all others, else a value that is not listed fails. Numbers, true and false are looked up as they are written |
| `ignore_case` | look `values` up without regard to case; the exact one goes first |
| `reads` | what a text is, for rich text: `text` (the default), `markdown`, `html`; an ADF document is always read as one |
| `trusted` | whoever wrote the text may mention people and use extensions; else both come as their words |

No value is: null, empty text, empty list. First `values`, then `default`, then the type. At most {FIELDS_MAX} fields, {VALUES_MAX:,} values, {ITEMS_MAX:,} items.

When it can't be done the step fails with `field_invalid`, the field (`with.fields.labels[2]`) and a detail: `list_not_number` (given, expected; of
`text`, `number`, `boolean`, `date`, `list`, `document`, `object`, `null`), `missing`, `not_in_values`, `email_not_user` (look the person up
first: `/rest/api/3/user/search`), `too_many_items`; of rich texts `too_large`, `too_deep`, `too_many_parts`, `not_adf`. Never the value.

"""
RICH_TEXT: Final = f"""
## Rich text
Texts go through ADF, in every direction: [decision 36](decisions/0036-rich-text.md). Every document that is made is checked against
Atlassian's own schema. In an ADF document given for `rich_text`, attributes and marks that the schema does not take are dropped (Jira itself
writes some); nodes that it does not take are an error (`not_adf`). One that is only read may have such nodes: they give their words. At most {TEXT_MAX_CHARACTERS:,} characters of
text, {NODES_MAX:,} nodes, marks and attributes, {DEPTH_MAX} levels; of HTML {HTML_MAX_CHARACTERS:,} characters are read, with {PARTS_MAX:,} elements and attributes.

- A document comes back from HTML and from Markdown as it was, but: `localId`s are numbered anew or gone; neighbouring texts with the same marks
  are one; what is so anyhow (`order: 1`, `layout: default`, `colspan: 1`) is not said; addresses are percent-encoded; control characters go.
- What Markdown has no words for stands in it as HTML, with the node in `data-adf` attributes; so do marks that Markdown would misread
  (inside a word, beside another mark), and spaces that it would drop.
- What may not stand where it stands (a heading in a quotation, a table in a list) gives its content: bold, or lines with `|` between cells.
- Links lead to http, https, mailto and the same site (`/…`, `#…`); any other address is dropped and its words stay. Pictures: http, https.
- Plain text has words only: marks, colours and files go; lists keep their signs, links their address, cells a `|` between.
- Our notation in a text counts only when the schema takes what it says. Scripts, styles and frames are left out.

| node or mark | Markdown | HTML | plain text |
|---|---|---|---|
"""


def render_reference() -> str:
    """Write the page."""
    fields = yaml.safe_load(FLOW)["steps"][0]["with"]["fields"]
    given = compile_document(prepare_fields(fields)).render({"webhookData": DATA})
    mapped = map_fields(msgspec.convert(given, dict[str, FieldRule]), "with.fields")
    lines = [
        HEAD,
        f"```yaml\n{FLOW}```\n\nOf\n\n```json\n{_write(DATA)}\n```\n\n",
        f"`fields` makes\n\n```json\n{_write(mapped)}\n```\n",
    ]
    lines += [RULES, "## Types\n| `as` | takes | gives | for example | refused |\n|---|---|---|---|---|\n"]
    for name, kind in TYPES.items():
        examples = ", ".join(f"{_code(_write(value))} → {_code(_write(result))}" for value, result in kind.examples)
        refused = ", ".join(f"{_code(_write(value))}: `{detail}`" for value, detail in kind.refused)
        lines.append(f"| `{name}` | {kind.takes} | {kind.gives} | {examples} | {refused} |\n")
    lines.append(RICH_TEXT)
    for name, content in SAMPLES.items():
        document = {"version": 1, "type": "doc", "content": content}
        written = [str(write_text(document, form)) for form in (TextForm.MARKDOWN, TextForm.HTML, TextForm.PLAIN)]
        lines.append(f"| {name} | {' | '.join(map(_code, written))} |\n")
    return "".join(lines)


def _write(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if fence == "``" else ""
    shown = text.replace("\n", " ⏎ ").replace("|", "\\|")
    return f"{fence}{space}{shown}{space}{fence}" if shown else ""
