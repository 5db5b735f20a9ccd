"""A useful part of JQL: read by precedence, worked out on the site's issues. Used by rest.py."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from devsite.state import Issue

TOKEN = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(!=|!~|>=|<=|[=~<>(),])|([^\s"'=~!<>(),]+))""")
Condition = Callable[[Issue], bool]
DEPTH_MAX = 50


class JqlError(Exception):
    """The text is not JQL that we read."""


def read_jql(text: str, user: str) -> tuple[Condition, list[tuple[str, bool]], bool]:
    """Give (condition, order as (field, descending), whether it is bounded)."""
    reader = _Reader(text, user)
    condition: Condition = lambda _issue: True  # noqa: E731 - an empty query
    bounded = False
    if reader.peek() and reader.peek_word() != "order":
        condition, bounded = reader.read_or(0), True
    return condition, reader.read_order(), bounded


def read_field(issue: Issue, name: str) -> Any:  # noqa: ANN401 - JSON
    """A field's value as JQL compares it."""
    name = {"type": "issuetype", "key": "issuekey", "due": "duedate", "fixversion": "fixVersions"}.get(name.lower(), name)
    if name.lower() in {"issuekey", "id", "issue"}:
        return [issue.key, issue.id]
    if name.lower() == "text":
        return f"{issue.fields.get('summary')} {issue.fields.get('description')}"
    return next((value for key, value in issue.fields.items() if key.lower() == name.lower()), None)


class _Reader:
    def __init__(self, text: str, user: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.position, self.user = 0, user
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found:
                raise JqlError
            quoted = found[1] if found[1] is not None else found[2]
            if quoted is not None:
                self.tokens.append(("text", re.sub(r"\\(.)", r"\1", quoted)))
            else:
                self.tokens.append(("mark", found[3]) if found[3] else ("word", found[4]))
            place = found.end()

    def peek(self) -> tuple[str, str] | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def peek_word(self) -> str:
        token = self.peek()
        return token[1].lower() if token and token[0] != "text" else ""

    def take(self) -> tuple[str, str]:
        token = self.peek()
        if token is None:
            raise JqlError
        self.position += 1
        return token

    def expect(self, word: str) -> None:
        if self.take()[1].lower() != word:
            raise JqlError

    def read_or(self, depth: int) -> Condition:
        parts = [self.read_and(depth)]
        while self.peek_word() == "or":
            self.take()
            parts.append(self.read_and(depth))
        return lambda issue: any(part(issue) for part in parts)

    def read_and(self, depth: int) -> Condition:
        parts = [self.read_not(depth)]
        while self.peek_word() == "and":
            self.take()
            parts.append(self.read_not(depth))
        return lambda issue: all(part(issue) for part in parts)

    def read_not(self, depth: int) -> Condition:
        if depth > DEPTH_MAX:
            raise JqlError
        if self.peek_word() == "not":
            self.take()
            inner = self.read_not(depth + 1)
            return lambda issue: not inner(issue)
        if self.peek_word() == "(":
            self.take()
            inner = self.read_or(depth + 1)
            self.expect(")")
            return inner
        return self.read_clause()

    def read_clause(self) -> Condition:
        field = self.take()[1]
        operator = self.take()[1].lower()
        if operator == "not":
            self.expect("in")
            operator = "not in"
        if operator == "is":
            negative = self.peek_word() == "not"
            if negative:
                self.take()
            if self.take()[1].lower() not in {"empty", "null"}:
                raise JqlError
            return lambda issue: bool(read_field(issue, field)) is negative
        if operator in {"in", "not in"}:
            values = self.read_list()
            return lambda issue: any(_equals(read_field(issue, field), each) for each in values) is (operator == "in")
        value = self.read_value()
        if operator == "=":
            return lambda issue: _equals(read_field(issue, field), value)
        if operator == "!=":
            return lambda issue: not _equals(read_field(issue, field), value)
        if operator in {"~", "!~"}:
            wanted = value.strip("*").casefold()
            return lambda issue: (wanted in str(read_field(issue, field) or "").casefold()) is (operator == "~")
        if operator in {"<", "<=", ">", ">="}:
            return lambda issue: _compare(read_field(issue, field), value, operator)
        raise JqlError

    def read_list(self) -> list[str]:
        self.expect("(")
        values = [self.read_value()]
        while self.peek_word() == ",":
            self.take()
            values.append(self.read_value())
        self.expect(")")
        return values

    def read_value(self) -> str:
        kind, text = self.take()
        if kind == "mark":
            raise JqlError
        if kind == "word" and self.peek_word() == "(":
            self.take()
            self.expect(")")
            if text.lower() == "currentuser":
                return self.user
            if text.lower() == "now":
                return datetime.now(UTC).isoformat()
            raise JqlError
        relative = re.fullmatch(r"([+-]?\d{1,5})([wdhm])", text) if kind == "word" else None
        if relative:
            unit = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes"}[relative[2]]
            return (datetime.now(UTC) + timedelta(**{unit: int(relative[1])})).isoformat()
        return text

    def read_order(self) -> list[tuple[str, bool]]:
        if self.peek() is None:
            return []
        self.expect("order")
        self.expect("by")
        order = []
        while True:
            field = self.take()[1]
            descending = self.peek_word() == "desc"
            if self.peek_word() in {"asc", "desc"}:
                self.take()
            order.append((field, descending))
            if self.peek_word() != ",":
                break
            self.take()
        if self.peek() is not None:
            raise JqlError
        return order


def _equals(value: Any, wanted: str) -> bool:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return any(_equals(each, wanted) for each in value)
    if isinstance(value, dict):
        names = ("name", "key", "id", "accountId", "value", "displayName")
        return any(str(value[name]).casefold() == wanted.casefold() for name in names if name in value)
    return value is not None and str(value).casefold() == wanted.casefold()


def _compare(value: Any, wanted: str, operator: str) -> bool:  # noqa: ANN401 - JSON
    try:
        left: Any = float(value)
        right: Any = float(wanted)
    except (TypeError, ValueError):
        left, right = str(value or "")[:19], wanted.replace(" ", "T")[:19]
        if not left:
            return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])
