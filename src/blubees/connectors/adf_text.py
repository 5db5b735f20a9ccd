"""Plain text to Atlassian Document Format, which Jira asks for in descriptions and comments. Used by the jira kinds."""

from typing import Any


def is_adf(value: object) -> bool:
    """Whether a value is an ADF document already."""
    return isinstance(value, dict) and value.get("type") == "doc" and value.get("version") == 1


def to_adf(value: object) -> dict[str, Any]:
    """Make a document: blank lines part paragraphs, line ends become hard breaks. A document stays as it is."""
    if isinstance(value, dict) and is_adf(value):
        return value
    text = "" if value is None else value if isinstance(value, str) else str(value)
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return {"version": 1, "type": "doc", "content": [_write_paragraph(block) for block in blocks]}


def _write_paragraph(block: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for number, line in enumerate(block.strip("\n").split("\n")):
        if number:
            content.append({"type": "hardBreak"})
        if line:
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}
