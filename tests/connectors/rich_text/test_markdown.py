"""ADF to Markdown and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blubees.connectors.rich_text.adf_schema import is_valid
from blubees.connectors.rich_text.bounds import Node, RichTextError, RichTextProblem
from blubees.connectors.rich_text.convert import TextForm, read_text, write_text
from blubees.connectors.rich_text.fit import fit_document
from fakes.documents import documents


@given(documents())
@settings(max_examples=60, deadline=None)
def test_a_document_comes_back_from_markdown_as_it_was(document: Node) -> None:
    written = write_text(document, TextForm.MARKDOWN)
    assert read_text(written, TextForm.MARKDOWN, is_trusted=True) == fit_document(document)


@pytest.mark.parametrize("order", [0, 1, 5, 10])
@pytest.mark.parametrize("text", [[], [{"type": "text", "text": "x"}]])
def test_a_panel_may_begin_with_a_list_that_begins_anywhere(order: int, text: list[Node]) -> None:
    items = [{"type": "listItem", "content": [{"type": "paragraph", "content": text}]}]
    numbers = {"type": "orderedList", "attrs": {"order": order}, "content": items}
    panel = {"type": "panel", "attrs": {"panelType": "info"}, "content": [numbers]}
    document = {"version": 1, "type": "doc", "content": [panel]}
    written = write_text(document, TextForm.MARKDOWN)
    assert read_text(written, TextForm.MARKDOWN, is_trusted=True) == fit_document(document)


PIECES = [
    *"abc 12\n\n#->*_`[]()<>!|~\\&=+.:",
    "- [ ] ",
    "```\n",
    "| a | b |\n| - | - |\n",
    "> [!NOTE]\n",
    "<b>",
    "</b>",
    "\n\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=100, deadline=None)
def test_anybodys_markdown_is_stable_after_one_pass(text: str) -> None:
    document = read(text)
    assert is_valid(document)
    written = write(document)
    assert write(read(written)) == written
    assert read(written) == document


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_text_stays_that_text_in_markdown_and_html(text: str) -> None:
    content = [{"type": "text", "text": text}] if text else []
    document = fit_document({"content": [{"type": "paragraph", "content": content}]})
    assert read(write(document)) == document
    assert read_text(write_text(document, TextForm.HTML), TextForm.HTML) == document


def read(text: str) -> Node:
    return read_text(text, TextForm.MARKDOWN)


def write(document: Node) -> str:
    return str(write_text(document, TextForm.MARKDOWN))


SAMPLE = """\
# Title _it_ # 5

Hello **bold**, _it_, ~~gone~~ and `code`. See [docs](https://a.example/x?a=1 "T"), snake_case, 1\\*2, \\<b\\>\\
second line with <u>under</u>

- one
  - two
  - three

<!-- -->

3. a
4. b

<!-- -->

- [x] done
- [ ] open
  - [ ] under it

> [!WARNING]
> Careful

> quoted

```py
x = "`"
```

| a | b |
| --- | --- |
| `x` | a\\|b |

<details><summary>More</summary>

inside

</details>

![pic](<https://a.example/p.png>)

---"""


def test_what_markdown_can_say_is_said_in_markdown() -> None:
    document = read(SAMPLE)
    kinds = [
        "heading",
        "paragraph",
        "bulletList",
        "orderedList",
        "taskList",
        "panel",
        "blockquote",
        "codeBlock",
        "table",
        "expand",
        "mediaSingle",
        "rule",
    ]
    assert [node["type"] for node in document["content"]] == kinds
    assert write(document) == SAMPLE


def test_marks_that_markdown_would_misread_are_html() -> None:
    def line(*texts: tuple[str, str]) -> str:
        content = [{"type": "text", "text": text, "marks": [{"type": mark}] if mark else []} for text, mark in texts]
        return write({"content": [{"type": "paragraph", "content": content}]})

    assert line(("a", ""), ("b", "strong"), ("c", "")) == "a**b**c"
    assert line(("a", ""), ("b", "em"), ("c", "")) == "a<em>b</em>c"
    assert line(("a", ""), ("!", "strong"), ("c", "")) == "a<strong>\\!</strong>c"
    assert line(("a", "strong"), ("b", "em")) == "<strong>a</strong>_b_"
    assert line(("a ", "strong"), ("b", "")) == "<strong>a </strong>b"
    assert line(("a  b", "")) == '<span style="white-space: pre-wrap" data-adf="spaces">a&#32;&#32;b</span>'


def test_a_picture_that_may_not_be_shown_and_a_script_are_words() -> None:
    document = read("![pic](javascript:x) [go](javascript:alert(1)) <script>x</script><img src=x onerror=y>")
    assert "media" not in str(document)
    assert "link" not in str(document)
    assert "script" not in write(document)


def test_mentions_are_read_from_trusted_text_only() -> None:
    mention = {"type": "mention", "attrs": {"id": "a1", "text": "@Ann"}}
    document = fit_document({"content": [{"type": "paragraph", "content": [mention]}]})
    assert read_text(write(document), TextForm.MARKDOWN, is_trusted=True) == document
    assert read(write(document))["content"][0]["content"] == [{"type": "text", "text": "@Ann"}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("> " * 3_000 + "a", RichTextProblem.TOO_DEEP),
        ("".join("  " * depth + "- a\n" for depth in range(60)), RichTextProblem.TOO_DEEP),
        ("|a|b\n|-|-\n" + "|c|d\n" * 8_000, RichTextProblem.TOO_MANY_PARTS),
        ("*a* " * 30_000, RichTextProblem.TOO_MANY_PARTS),
        ("a" * 262_145, RichTextProblem.TOO_LARGE),
    ],
)
def test_a_hostile_text_is_refused(text: str, problem: RichTextProblem) -> None:
    with pytest.raises(RichTextError) as caught:
        read(text)
    assert caught.value.problem is problem


@pytest.mark.parametrize("letters", ["[", "![[", "<", "<!--", "*a_ ", "`", "&", "<a ", "[a](", "\\", "~~", "<?"])
def test_a_text_made_to_take_long_is_read_all_the_same(letters: str) -> None:
    document = read(letters * (200_000 // len(letters)))
    assert is_valid(document)
