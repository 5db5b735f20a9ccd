"""The error table of an action, compiled: which answers mean what. A success can be an error too, where its body says so.

Used by answers.py. What no rule tells is told by the status: connectors/meanings.py.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.connectors.actions.paths import MISSING, look_up
from blubees.connectors.actions.waits import read_wait
from blubees.connectors.actions.xml_reading import XmlError, read_xml
from blubees.connectors.contract.words import split_path
from blubees.connectors.meanings import find_meaning, read_retry_after
from blubees.model.action import ErrorRule
from blubees.model.call import CallAnswer
from blubees.model.failures import Failure, FailureCode

ANYTHING: Final = "*"
PLAIN: Final = frozenset((str, int, float, bool))
Test = Callable[[Any], bool]
_XML: Final = re.compile(r"\s*(application|text)/([^;\s]+\+)?xml\s*(;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule. `low`, `high`: the statuses that it is for."""

    code: FailureCode
    low: int
    high: int
    body: tuple[tuple[tuple[str, ...], Test], ...]
    headers: tuple[tuple[str, Test], ...]
    wait_at: tuple[str, ...]
    wait_header: str

    def holds(self, answer: CallAnswer, document: Any) -> bool:
        """Whether all of it holds."""
        if not self.low <= answer.status <= self.high:
            return False
        for name, test in self.headers:
            if not test(answer.headers.get(name, MISSING)):
                return False
        for path, test in self.body:
            found = document.get(path[0], MISSING) if len(path) == 1 and type(document) is dict else look_up(document, path)
            if not test(found):
                return False
        return True


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The rules in order.

    Attributes:
        of_success: those that can hold for a success.
        reads_body: whether a rule looks into the body of an error.
        reset_header: tells when there are calls again; empty: none.
    """

    rules: tuple[CompiledRule, ...]
    of_success: tuple[CompiledRule, ...]
    reads_body: bool
    reset_header: str

    def refuse(self, answer: CallAnswer, document: Any, now_milliseconds: int) -> Failure:
        """Give what an answer means that is no success."""
        for rule in self.rules:
            if rule.holds(answer, document):
                return self._fail(rule.code, rule, answer, document, now_milliseconds)
        return self._fail(find_meaning(answer.status, answer.headers), None, answer, document, now_milliseconds)

    def find_in_success(self, answer: CallAnswer, document: Any, now_milliseconds: int) -> Failure | None:
        """Give what a success means that is none; None: it is one."""
        for rule in self.of_success:
            if rule.holds(answer, document):
                return self._fail(rule.code, rule, answer, document, now_milliseconds)
        return None

    def _fail(
        self, code: FailureCode, rule: CompiledRule | None, answer: CallAnswer, document: Any, now_milliseconds: int
    ) -> Failure:
        wait = read_retry_after(answer.headers)
        if rule is not None and rule.wait_header in answer.headers:
            wait = read_wait(answer.headers[rule.wait_header], now_milliseconds) or wait
        if rule is not None and rule.wait_at:
            wait = read_wait(look_up(document, rule.wait_at), now_milliseconds) or wait
        if code is FailureCode.BUSY and not wait and self.reset_header in answer.headers:
            wait = read_wait(answer.headers[self.reset_header], now_milliseconds)
        return Failure(code=code, http_status=answer.status, retry_after_seconds=wait)


def compile_errors(rules: tuple[ErrorRule, ...], reset_header: str) -> ErrorTable:
    """Compile an error table."""
    compiled = tuple(map(_compile_rule, rules))
    return ErrorTable(
        rules=compiled,
        of_success=tuple(rule for rule in compiled if rule.low < 300 and rule.high >= 200 and (rule.body or rule.headers)),  # noqa: PLR2004 - 2xx
        reads_body=any(rule.body or rule.wait_at for rule in compiled),
        reset_header=reset_header.lower(),
    )


def _compile_rule(rule: ErrorRule) -> CompiledRule:
    low, high = 0, 999
    if rule.status:
        low = int(rule.status.replace("x", "0"))
        high = int(rule.status.replace("x", "9"))
    return CompiledRule(
        code=FailureCode(rule.means.value),
        low=low,
        high=high,
        body=tuple((split_path(path), _compile_test(wanted)) for path, wanted in rule.body.items()),
        headers=tuple((name.lower(), _compile_header_test(wanted)) for name, wanted in rule.header.items()),
        wait_at=split_path(rule.wait_at),
        wait_header=rule.wait_header.lower(),
    )


def _compile_test(wanted: Any) -> Test:
    if wanted == ANYTHING:
        return lambda found: found is not MISSING and found is not None
    choices = wanted if isinstance(wanted, list) else [wanted]
    plain = frozenset((type(each), each) for each in choices if type(each) in PLAIN)
    return lambda found: type(found) in PLAIN and (type(found), found) in plain


def _compile_header_test(wanted: str) -> Test:
    if wanted == ANYTHING:
        return lambda found: found is not MISSING
    return lambda found: found is not MISSING and found.strip() == wanted


def read_document(answer: CallAnswer, load: Callable[[bytes], Any], headers: Mapping[str, str]) -> Any:
    """Read the body of an error as JSON or XML, as its type says; else nothing."""
    written = headers.get("content-type", "json")
    if not answer.body:
        return MISSING
    try:
        if "json" in written:
            return load(answer.body)
        return read_xml(answer.body) if _XML.match(written) else MISSING
    except (ValueError, XmlError):
        return MISSING
