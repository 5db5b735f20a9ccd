"""ADF to plain text and back."""

import pytest
from hypothesis import given, settings

from blubees.connectors.rich_text.bounds import Node, RichTextError
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from fakes.documents import documents


@given(documents())
@settings(max_examples=40, deadline=None)
def test_every_document_has_a_plain_text(document: Node) -> None:
    written = write_text(document, TextForm.PLAIN)
    assert isinstance(written, str)
    again = read_text(written, TextForm.PLAIN)
    assert read_text(write_text(again, TextForm.PLAIN), TextForm.PLAIN) == again


def test_a_plain_text_comes_back_as_it_was() -> None:
    text = "One\ntwo  *three*\n\n<b>four</b>"
    document = read_text(text, TextForm.PLAIN)
    assert [len(block["content"]) for block in document["content"]] == [3, 1]
    assert write_text(document, TextForm.PLAIN) == text


def test_the_words_of_all_that_plain_text_has_no_form_for_are_there() -> None:
    markdown = """\
# Head

- one **bold**
  1. two
- [link](https://a.example/) <https://b.example/>

> [!NOTE]
> Look

| a | b |
| - | - |
| c | d |

- [x] done

```
code
  in
```"""
    written = write_text(read_text(markdown, TextForm.MARKDOWN), TextForm.PLAIN)
    assert written == (
        "Head\n\n- one bold\n  1. two\n- link (https://a.example/) https://b.example/\n\nLook\n\na | b\nc | d\n\n[x] done\n\ncode\n  in"
    )


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(RichTextError):
        read_text("a\n" * 10_001, TextForm.PLAIN)
