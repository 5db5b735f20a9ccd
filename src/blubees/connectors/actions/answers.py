"""Reads an answer: an error by the error table, a success as the action says. Used by perform.py and pages.py."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from blubees.connectors.actions.error_rules import ErrorTable, compile_errors, read_document
from blubees.connectors.actions.files import write_file
from blubees.connectors.actions.pairs import join_pairs
from blubees.connectors.actions.paths import MISSING, look_up, look_up_each
from blubees.connectors.actions.xml_reading import XmlError, XmlForm, compile_form, find_kind, read_plain, read_xml
from blubees.model.action import Action, Content
from blubees.model.call import CallAnswer
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode

FORM_TYPE: Final = "application/x-www-form-urlencoded"
ALL: Final = "*"  # at the end of a header's name: all that begin so
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A success: its body, read."""

    document: Any
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Output:
    """One output. `header` empty: by the path; `prefix`: of headers; `kind`: its type; `pairs`: two names, or none."""

    name: str
    path: tuple[str, ...]
    header: str
    kind: str
    pairs: tuple[str, ...]
    prefix: str = ""

    def find(self, found: ReadAnswer) -> Any:
        """Give its value, or a mark: what `*` of its path finds is joined where it is one text."""
        if self.prefix:
            length = len(self.prefix)
            return {name[length:]: text for name, text in found.headers.items() if name.startswith(self.prefix)}
        if self.header:
            told = found.headers.get(self.header)
            return MISSING if told is None else read_plain(told, self.kind)
        value = look_up_each(found.document, self.path)
        if self.pairs:
            return join_pairs(value, *self.pairs)
        if self.kind == "string" and type(value) is list:
            return "".join(each for each in value if type(each) is str)
        return value


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """Reads answers of one action.

    Attributes:
        form: of answers in XML; None: they are not read as such.
    """

    errors: ErrorTable
    statuses: frozenset[int]
    content: Content | None
    at: tuple[str, ...]
    outputs: tuple[_Output, ...]
    form: XmlForm | None = None

    def read(self, answer: CallAnswer, now_milliseconds: int) -> ReadAnswer | Failure:
        """Read an answer's body, or name what it means."""
        if answer.status not in _OK and answer.status not in self.statuses:
            document = read_document(answer, orjson.loads, answer.headers) if self.errors.reads_body else MISSING
            return self.errors.refuse(answer, document, now_milliseconds)
        document = self._read_body(answer)
        if isinstance(document, Failure):
            return document
        failure = self.errors.find_in_success(answer, document, now_milliseconds) if self.errors.of_success else None
        return failure if failure is not None else ReadAnswer(document, answer.headers)

    def give(self, found: ReadAnswer) -> Any | Failure:
        """Give what the action gives of an answer."""
        if self.outputs:
            given: dict[str, Any] = {}
            for each in self.outputs:
                value = each.find(found)
                if value is not MISSING:
                    given[each.name] = value
            return given
        if not self.at:
            return found.document
        value = look_up(found.document, self.at)
        return None if value is MISSING else value

    def _read_body(self, answer: CallAnswer) -> Any | Failure:
        if not answer.body:
            return None
        written = answer.headers.get("content-type", "")
        content = self.content if self.content is not None else _tell_content(written)
        if content is Content.JSON:
            try:
                return orjson.loads(answer.body)
            except orjson.JSONDecodeError:
                return Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=answer.status)
        if content is Content.XML and self.form is not None:
            try:
                return read_xml(answer.body, self.form)
            except XmlError as error:
                return Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=answer.status, detail=error.detail)
        if content in {Content.TEXT, Content.XML}:
            return answer.body.decode("utf-8", "replace")
        if content is Content.FORM:
            return dict(parse_qsl(answer.body.decode("utf-8", "replace"), keep_blank_values=True))
        if content is Content.NONE:
            return None
        return write_file(answer.body, written.partition(";")[0].strip(), answer.headers.get("content-disposition", ""))


def compile_answer(connector: Connector, action: Action) -> AnswerPlan:
    """Compile how an action's answers are read."""
    limits = action.limits or connector.limits
    answer = action.answer
    return AnswerPlan(
        errors=compile_errors((*action.errors, *connector.errors), limits.reset_header),
        statuses=frozenset(answer.statuses),
        content=Content.BYTES if answer.is_file else answer.content,
        at=answer.at,
        outputs=tuple(
            _Output(name, each.at, each.header.lower(), find_kind(each.schema), each.pairs, _find_prefix(each.header.lower()))
            for name, each in answer.outputs.items()
        ),
        form=compile_form(action, connector.schemas),
    )


def _find_prefix(header: str) -> str:
    return header.removesuffix(ALL) if header.endswith(ALL) else ""


def _tell_content(written: str) -> Content:
    kind = written.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json") or not kind:
        return Content.JSON
    if kind.startswith("text/") or kind.endswith(("+xml", "/xml", "/yaml", "/x-ndjson", "/javascript")):
        return Content.TEXT
    return Content.FORM if kind == FORM_TYPE else Content.BYTES
