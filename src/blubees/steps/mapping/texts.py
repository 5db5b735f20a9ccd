"""Rich texts as field values: which form a value has, and what comes of it. Called by types.py."""

from dataclasses import dataclass
from typing import Any, Final

from blubees.connectors.rich_text.adf_schema import is_adf
from blubees.connectors.rich_text.bounds import RichTextError
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from blubees.steps.mapping.problems import FieldError, refuse

READS: Final = (TextForm.PLAIN, TextForm.MARKDOWN, TextForm.HTML)
"""What a text can be read as; a document is read as one in any case."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text is read: as plain text, Markdown or HTML; trusted, mentions and extensions in it are read too."""

    form: TextForm = TextForm.PLAIN
    is_trusted: bool = False


def convert_text(value: Any, wanted: TextForm, reading: Reading, name: str) -> Any:  # noqa: ANN401 - a text or a document
    """Give a text or document in the wanted form.

    Raises:
        FieldError: it is neither, or the text is refused (too_large, too_deep, too_many_parts, not_adf).
    """
    if not isinstance(value, str) and not is_adf(value):
        raise refuse(value, name)
    try:
        if not isinstance(value, str):  # a document that Jira wrote may have what the schema does not know
            return read_text(value, TextForm.ADF) if wanted is TextForm.ADF else write_text(value, wanted)
        if reading.form is wanted:
            return value
        return write_text(read_text(value, reading.form, is_trusted=reading.is_trusted), wanted)
    except RichTextError as error:
        raise FieldError(error.problem.value) from None
