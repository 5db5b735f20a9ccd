"""Rich text from one form to another, through ADF. Called by the jira kinds, steps/fields and tests."""

from enum import StrEnum
from typing import Final

from blubees.connectors.rich_text.adf_schema import is_adf, is_valid
from blubees.connectors.rich_text.bounds import (
    HTML_MAX_CHARACTERS,
    NODES_MAX,
    TEXT_MAX_CHARACTERS,
    Node,
    RichTextError,
    RichTextProblem,
    check_length,
)
from blubees.connectors.rich_text.fit import fit_document
from blubees.connectors.rich_text.fit_attributes import clean_text
from blubees.connectors.rich_text.html_read import read_html
from blubees.connectors.rich_text.html_write import write_html
from blubees.connectors.rich_text.markdown_read import read_markdown
from blubees.connectors.rich_text.markdown_write import write_markdown
from blubees.connectors.rich_text.plain import read_plain, write_plain


class TextForm(StrEnum):
    """The forms of a rich text."""

    ADF = "adf"
    HTML = "html"
    MARKDOWN = "markdown"
    PLAIN = "text"


def read_text(value: object, form: TextForm, *, is_trusted: bool = False) -> Node:
    """Give an ADF document that Atlassian's schema takes.

    Args:
        value: a text in `form`, at most 262,144 characters, of HTML 1,048,576; for ADF a document.
        is_trusted: read mentions and extensions too, as our own notation has them; else they come as their words.

    Raises:
        RichTextError: too_large, too_deep, too_many_parts, or not_adf.
    """
    if form is TextForm.ADF:
        return check_adf(value)
    text = value if isinstance(value, str) else ""
    check_length(text, HTML_MAX_CHARACTERS if form is TextForm.HTML else TEXT_MAX_CHARACTERS)
    if form is TextForm.PLAIN:
        if text.count("\n") > NODES_MAX:
            raise RichTextError(RichTextProblem.TOO_MANY_PARTS)
        return _check(fit_document(read_plain(text)))
    read = read_html if form is TextForm.HTML else read_markdown
    return _check(fit_document(read(text, is_trusted=is_trusted)))


def write_text(document: Node, form: TextForm) -> str | Node:
    """Write a document, whatever stands in it, in a form. What the form can't say: docs/mappings.md.

    Raises:
        RichTextError: too_large (also when more than 2,097,152 characters come of it), too_deep, too_many_parts.
    """
    fitted = fit_document(document)
    return fitted if form is TextForm.ADF else _WRITERS[form](fitted)


def check_adf(value: object) -> Node:
    """Give an ADF document as Jira may be sent it: one that the schema takes, with safe addresses only.

    Jira itself writes attributes and marks that the schema does not know (null, newer ones): those are dropped. A node that is
    not known, or stands where it may not, is an error.

    Raises:
        RichTextError: not_adf.
    """
    if not isinstance(value, dict) or not is_adf(value):
        raise RichTextError(RichTextProblem.NOT_ADF)
    fitted = _check(fit_document(value))
    if not is_valid(value) and not _has_same_nodes(value, fitted):
        raise RichTextError(RichTextProblem.NOT_ADF)
    return fitted


def _has_same_nodes(given: Node, fitted: Node) -> bool:
    """Whether nodes and words are the same, whatever their attributes and marks."""
    before, after = _list_parts(given), _list_parts(fitted)
    if len(before) != len(after):
        return False
    pairs = zip(before, after, strict=True)
    return all(
        a == b if isinstance(b, str) else isinstance(a, dict) and a["type"] == b["type"] and _has_same_nodes(a, b)
        for a, b in pairs
    )


def _list_parts(node: Node) -> list[Node | str]:
    """What stands in a node: nodes, and texts of which neighbours are one."""
    parts: list[Node | str] = []
    content = node.get("content")
    for part in content if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            parts.append(part if isinstance(part, dict) and "type" in part else {"type": ""})
            continue
        text = clean_text(text)
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        elif text:
            parts.append(text)
    return parts


_WRITERS: Final = {TextForm.HTML: write_html, TextForm.MARKDOWN: write_markdown, TextForm.PLAIN: write_plain}


def _check(document: Node) -> Node:
    if not is_valid(document):
        raise RichTextError(RichTextProblem.NOT_ADF)
    return document
