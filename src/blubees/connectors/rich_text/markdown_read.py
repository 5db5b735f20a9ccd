"""Reads Markdown as ADF, by making HTML of it. Called by convert.py.

CommonMark with GitHub's tables, tasks, strikethrough and alerts.
"""

from typing import Final

import pyromark

from blubees.connectors.rich_text.bounds import Node, check_length
from blubees.connectors.rich_text.html_read import read_elements

_OPTIONS: Final = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_GFM
)


def read_markdown(text: str, *, is_trusted: bool = False) -> Node:
    """Give a document that is still to be fitted.

    Args:
        is_trusted: read mentions and extensions too, which reach people and apps.

    Raises:
        RichTextError: too large, too deep, too many parts.
    """
    check_length(text)
    written: str = pyromark.html(text, options=_OPTIONS)
    return read_elements(written, is_trusted=is_trusted)
