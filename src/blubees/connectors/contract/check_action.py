"""Checks one action of a connector: its inputs and their places, its body, pages, errors, examples. Used by check.py."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from blubees.connectors.actions.paths import EACH
from blubees.connectors.contract.problems import Complaints, Place
from blubees.connectors.parameters import ADDRESSING
from blubees.model.action import Action, ActionExample, ActionInput, Content, ErrorRule, PageKind, Schema, Style
from blubees.model.action import Place as InputPlace
from blubees.model.call import Effect
from blubees.model.connector import Connector, Speaks
from blubees.model.failures import FailureCode

INPUT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
RESERVED: Final = {"connection": "the connection stands there", "limit": "it says how many items of all pages"}
METHOD: Final = re.compile(r"[A-Z]{1,20}")
TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
STATUS: Final = re.compile(r"([1-5][0-9][0-9]|[1-5]xx)?")
TIMEOUT_SECONDS: Final = (0.1, 120.0)
ANSWER_MAX_BYTES: Final = 5_242_880
OURS: Final = frozenset(
    ("authorization", "host", "content-length", "transfer-encoding", "connection", "cookie", "proxy-authorization", "te")
)
"""Headers that are not an action's to set: the credential, and how a message is framed."""
STYLES: Final = {
    InputPlace.HOST: {Style.SIMPLE},
    InputPlace.PATH: {Style.SIMPLE, Style.LABEL, Style.MATRIX, Style.JSON, Style.KEY},
    InputPlace.QUERY: {Style.FORM, Style.SPACE, Style.PIPE, Style.DEEP, Style.JSON},
    InputPlace.HEADER: {Style.SIMPLE, Style.JSON, Style.KEY, Style.PREFIX},
    InputPlace.COOKIE: {Style.FORM, Style.JSON},
    InputPlace.BODY: {Style.FORM, Style.SPACE, Style.PIPE, Style.DEEP, Style.JSON, Style.NUMBERED},
}
WHOLE: Final = frozenset((Content.TEXT, Content.BYTES))
TREES: Final = frozenset((Content.JSON, Content.XML))
PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class ActionCheck:
    """One action under check."""

    connector: Connector
    name: str
    action: Action
    complaints: Complaints
    hooks: Collection[str]

    def complain(self, place: Place, message: str) -> None:
        """Note a problem at a place of the action."""
        self.complaints.add(("actions", self.name, *place), message)


def check_action(check: ActionCheck) -> None:
    """Check one action."""
    for name, each in check.action.inputs.items():
        _check_input(check, name, each)
    if check.action.request.hook:
        if check.action.request.hook not in check.hooks:
            check.complaints.add_unknown(
                ("actions", check.name, "request", "hook"),
                "function in the Python twin",
                check.action.request.hook,
                check.hooks,
            )
    elif check.connector.speaks is Speaks.HTTP:
        _check_request(check)
    elif check.connector.speaks is Speaks.MCP and not check.action.request.tool:
        check.complain(("request", "tool"), "The server's name of the tool is missing.")
    elif check.connector.speaks is Speaks.HOOK:
        check.complain(("request", "hook"), "The function of the Python twin that makes the call is missing.")
    _check_effect(check)
    _check_pages(check)
    _check_answer(check)
    check_errors(check.action.errors, ("actions", check.name, "errors"), check.complaints)
    for number, example in enumerate(check.action.examples):
        _check_example(check, example, ("examples", number))


def check_inputs_given(action: Action, given: Collection[str], place: Place, complaints: Complaints) -> None:
    """Check names of inputs that are given: known, and all that are required."""
    known = {*action.inputs, *(("limit",) if action.pages is not None else ())}
    for name in given:
        if name not in known:
            complaints.add_unknown(place, "input", name, known)
    for name, each in action.inputs.items():
        if each.is_required and name not in given and not (action.pages and name in list_page_inputs(action)):
            complaints.add(place, f"The input {name} is required and not given.")


def list_page_inputs(action: Action) -> tuple[str, ...]:
    """Give the inputs that carry the page and its size: they are not the flow's."""
    return tuple(filter(None, (action.pages.input, action.pages.size_input))) if action.pages is not None else ()


def check_errors(rules: Iterable[ErrorRule], place: Place, complaints: Complaints) -> None:
    """Check an error table."""
    for number, rule in enumerate(rules):
        if not STATUS.fullmatch(rule.status):
            complaints.add((*place, number, "status"), f"{rule.status[:20]!r} is no status: write 429, 4xx, or leave it out.")
        if not rule.status and not rule.body and not rule.header:
            complaints.add((*place, number), "The rule has no condition: it would hold for every answer.")
        for path, wanted in rule.body.items():
            if any(not isinstance(each, str | int | float) for each in (wanted if isinstance(wanted, list) else [wanted])):
                complaints.add(
                    (*place, number, "body", path), "What must stand there is a text, a number, true or false, or a list."
                )


def _check_input(check: ActionCheck, name: str, each: ActionInput) -> None:
    place: Place = ("inputs", name)
    if not INPUT_NAME.fullmatch(name):
        check.complain(place, "An input's name is 1 to 100 letters, digits and _, beginning with a letter.")
    if name in RESERVED:
        check.complain(place, f"No input may be called {name}: {RESERVED[name]}. Choose another name, and say `at {name}`.")
    if each.place is not InputPlace.BODY and len(each.at) != 1:
        check.complain(
            (*place, "at"), f"In the {each.place.value} an input has one name; this is {'.'.join(each.at) or 'none'}."
        )
    if EACH in each.at and (check.action.request.content not in TREES or each.schema.get("type") != "array"):
        check.complain((*place, "at"), f"{EACH} in a path stands for the items of a list, in a body of JSON or XML.")
    _check_pairs(check, place, each.pairs, each.schema)
    if each.style is Style.PREFIX and each.schema.get("type") != "object":
        check.complain((*place, "style"), "prefix is a style of objects: each name is a header.")
    if each.style is Style.NUMBERED and check.action.request.content is not Content.FORM:
        check.complain((*place, "style"), "numbered is a style of forms.")
    if each.style is not None and each.style not in STYLES[each.place]:
        allowed = ", ".join(sorted(style.value for style in STYLES[each.place]))
        check.complain((*place, "style"), f"{each.style.value} is no style of the {each.place.value}; allowed are: {allowed}.")
    if each.place is InputPlace.HEADER and each.at and (not TOKEN.fullmatch(each.at[0]) or each.at[0].lower() in OURS):
        check.complain((*place, "at"), f"{each.at[0][:60]!r} is not a header that an input may set.")
    for other in each.one_of:
        if other not in check.action.inputs:
            check.complaints.add_unknown(("actions", check.name, *place, "one_of"), "input", other, check.action.inputs)


def _check_pairs(check: ActionCheck, place: Place, pairs: tuple[str, ...], schema: Schema) -> None:
    kinds = schema.get("type")
    if pairs and (len(pairs) != PAIR or "object" not in (kinds if isinstance(kinds, list) else [kinds])):
        check.complain((*place, "pairs"), "The pairs of an object have two names: that of a name and that of a value.")


def _check_bucket(check: ActionCheck) -> None:
    """Check what goes before the host: that it is one, and that connections tell whether it does."""
    names = [name for name, each in check.action.inputs.items() if each.place is InputPlace.HOST]
    if not names:
        return
    request, connector = check.action.request, check.connector
    if len(names) > 1 or not check.action.inputs[names[0]].is_required:
        check.complain(("inputs", names[-1]), "One input goes before the host, and it is required.")
    if not re.fullmatch(r"https?://[^/]+", request.base_url or connector.base_url):
        check.complain(("inputs", names[0]), "It goes before the host or first into the path, so the base URL has no path.")
    told = connector.parameters.get(ADDRESSING)
    if told is None or set(told.choices) != {"virtual", "path"} or not told.default:
        check.complain(
            ("inputs", names[0]), f"The parameter {ADDRESSING}, with the choices virtual and path, tells where it goes."
        )


def _check_request(check: ActionCheck) -> None:
    request, place = check.action.request, ("request",)
    if not METHOD.fullmatch(request.method):
        check.complain((*place, "method"), f"{request.method[:20]!r} is no method: write it in capitals.")
    if request.path and (not request.path.startswith("/") or re.search(r"[\s?#]", request.path)):
        check.complain((*place, "path"), "A path begins with / and has no query and no blank: those are inputs or `fixed`.")
    if request.base_url and (
        not re.fullmatch(r"(https?|postgresql|mysql|smtps?|imaps)://[^/?#@\s]+(/[^?#\s]*)?", request.base_url)
        or request.base_url[-1] == "/"
    ):
        check.complain(
            (*place, "base_url"), "A base URL is https://host, perhaps with a path; no query, no user, no / at its end."
        )
    for name in re.findall(r"\{([^{}]*)\}", request.base_url):
        if name not in check.connector.parameters:
            place_of = ("actions", check.name, "request", "base_url")
            check.complaints.add_unknown(place_of, "parameter", name, check.connector.parameters)
    for header in request.fixed.headers:
        if not TOKEN.fullmatch(header) or header.lower() in OURS:
            check.complain((*place, "fixed", "headers", header), "This header is not an action's to set.")
    named = set(re.findall(r"\{([^{}]*)\}", request.path))
    taken = {each.at[0]: name for name, each in check.action.inputs.items() if each.place is InputPlace.PATH and each.at}
    for name in sorted(named - set(taken)):
        check.complain((*place, "path"), f"{{{name}}} stands in the path, and no input goes there.")
    for at, name in taken.items():
        if at not in named:
            check.complain(("inputs", name), f"It goes into the path, which has no {{{at}}}.")
        elif not check.action.inputs[name].is_required:
            check.complain(("inputs", name), "What goes into the path is required.")
    _check_bucket(check)
    _check_body(check)


def _check_body(check: ActionCheck) -> None:
    request = check.action.request
    inside = {name: each for name, each in check.action.inputs.items() if each.place is InputPlace.BODY}
    if inside and request.content is Content.NONE:
        check.complain(("request", "content"), f"The input {next(iter(inside))} goes into the body, and the content is none.")
    whole = [name for name, each in inside.items() if not each.at]
    if whole and (len(inside) > 1 or request.fixed.body):
        check.complain(("inputs", whole[0]), "It is the whole body, so nothing else can go there.")
    if request.content in WHOLE and (len(whole) != len(inside) or request.fixed.body):
        check.complain(("request", "content"), f"A body of {request.content.value} is one input with an empty `at`.")
    roots = {each.at[0] for each in inside.values() if each.at} | set(request.fixed.body)
    if request.content is Content.XML and not whole and len(roots) != 1:
        check.complain(("request", "content"), f"A body of xml has one root; these are {', '.join(sorted(roots)) or 'none'}.")
    seen: dict[tuple[str, ...], str] = {}
    for name, each in inside.items():
        for end in range(1, len(each.at) + 1):
            other = seen.get(each.at[:end])
            if other is not None:
                check.complain(("inputs", name), f"It goes to where the input {other} goes already: {'.'.join(each.at)}.")
        seen[each.at or ("",)] = name
    for name, each in inside.items():
        if any(at != each.at and at[: len(each.at)] == each.at for at in seen if each.at):
            check.complain(("inputs", name), f"Other inputs go into what it is: {'.'.join(each.at)}.")


def _check_effect(check: ActionCheck) -> None:
    action = check.action
    if action.effect is Effect.KEYED and not action.key_header:
        check.complain(("key_header",), "An action of effect keyed names the header that carries our key.")
    if action.key_header and action.effect is not Effect.KEYED:
        check.complain(("key_header",), f"The effect is {action.effect.value}; only keyed has a key.")
    if action.key_header and not TOKEN.fullmatch(action.key_header):
        check.complain(("key_header",), "This is no header's name.")
    limits = action.limits or check.connector.limits
    if not TIMEOUT_SECONDS[0] <= limits.timeout_seconds <= TIMEOUT_SECONDS[1]:
        check.complain(("limits", "timeout_seconds"), f"{limits.timeout_seconds:g} s; allowed are 0.1 to 120.")
    if not 1 <= limits.answer_limit_bytes <= ANSWER_MAX_BYTES:
        check.complain(("limits", "answer_limit_bytes"), f"{limits.answer_limit_bytes}; allowed are 1 to {ANSWER_MAX_BYTES}.")
    if limits.calls_per_minute < 0 or limits.at_once < 0:
        check.complain(("limits",), "Limits are 0 (not known) or more.")


def _check_pages(check: ActionCheck) -> None:
    pages = check.action.pages
    if pages is None:
        return
    for what in ("input", "size_input"):
        name = getattr(pages, what)
        if name and name not in check.action.inputs:
            check.complaints.add_unknown(("actions", check.name, "pages", what), "input", name, check.action.inputs)
    if pages.kind in {PageKind.PAGE, PageKind.OFFSET, PageKind.CURSOR} and not pages.input:
        check.complain(("pages", "input"), f"Pages of kind {pages.kind.value} need the input that carries it.")
    if pages.kind in {PageKind.CURSOR, PageKind.NEXT_URL} and not pages.next:
        check.complain(("pages", "next"), f"Pages of kind {pages.kind.value} need the path of what comes next.")
    if pages.cursor_from not in {"body", "item"}:
        check.complain(("pages", "cursor_from"), "Allowed are: body, item.")
    if pages.kind is PageKind.HOOK and pages.hook not in check.hooks:
        place = ("actions", check.name, "pages", "hook")
        check.complaints.add_unknown(place, "function in the Python twin", pages.hook, check.hooks)
    if pages.size < 1:
        check.complain(("pages", "size"), "A page has one item or more.")
    if check.action.answer.outputs:
        check.complain(("outputs",), "What comes in pages is given as one list: say `gives`, not `outputs`.")
    if check.action.effect is not Effect.READ:
        check.complain(("effect",), "What comes in pages reads.")


def _check_answer(check: ActionCheck) -> None:
    answer = check.action.answer
    if answer.outputs and answer.at:
        check.complain(("answer", "at"), "`at` gives a part as it is, `outputs` gives by name: write one of them.")
    for name, each in answer.outputs.items():
        if not INPUT_NAME.fullmatch(name):
            check.complain(("outputs", name), "An output's name is 1 to 100 letters, digits and _, beginning with a letter.")
        _check_pairs(check, ("outputs", name), each.pairs, each.schema)
        if answer.is_file and not each.header:
            check.complain(("outputs", name), "Of a file's answer only headers can be read.")


def _check_example(check: ActionCheck, example: ActionExample, place: Place) -> None:
    where = ("actions", check.name, *place)
    is_refused_by_us = example.fails in {FailureCode.INPUT_INVALID.value, FailureCode.CONNECTION_MISSING.value}
    if not is_refused_by_us:
        check_inputs_given(check.action, example.inputs, (*where, "inputs"), check.complaints)
        if not example.replies:
            check.complain((*place, "replies"), "The third party's answer is missing.")
    if example.fails and example.gives is not None:
        check.complain(place, "An example has both `gives` and `fails`; it must have exactly one of them.")
    codes = {each.value for each in FailureCode}
    if example.fails and example.fails not in codes:
        check.complaints.add_unknown((*where, "fails"), "failure", example.fails, codes)
    if len(example.asks) > len(example.replies):
        check.complain(
            (*place, "asks"), f"{len(example.asks)} calls and {len(example.replies)} answers: each call is answered."
        )
    secret = [name for name in example.inputs if name in check.action.inputs and check.action.inputs[name].is_secret]
    for name in secret:
        if not str(example.inputs[name]).startswith("example"):
            check.complain((*place, "inputs", name), "A secret's value in an example must begin with `example`.")
