"""Answers of an operation: which one is a success, what it gives, how its list comes in pages. Used by openapi/operations.py.

Pages are recognised only where the document leaves no doubt: a list of which nothing is known comes as one page.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from blubees.connectors.importers.openapi.bodies import choose_media_type, flatten
from blubees.connectors.importers.openapi.forms import Forms
from blubees.connectors.importers.openapi.parameters import Reading, find_example
from blubees.model.action import ActionInput, Answer, Content, PageKind, Pages, Place, Schema

SIZE_MAX: Final = 100
_PAGE: Final = frozenset({"page", "page_number", "pagenumber", "page_no", "page_index"})
_OFFSET: Final = frozenset({"offset", "startat", "start_at", "skip", "$skip", "sysparm_offset", "start"})
_SIZE: Final = frozenset(
    [
        "per_page",
        "perpage",
        "page_size",
        "pagesize",
        "limit",
        "size",
        "maxresults",
        "max_results",
        "$top",
        "top",
        "count",
        "page_limit",
        "sysparm_limit",
        "results_per_page",
    ]
)
_CURSOR: Final = frozenset(
    {"cursor", "page_token", "pagetoken", "next_page_token", "nextpagetoken", "page_cursor", "continuation_token"}
)
_NEXT: Final = frozenset(
    {
        "next_cursor",
        "nextcursor",
        "next_page_token",
        "nextpagetoken",
        "end_cursor",
        "next_token",
        "nexttoken",
        "continuation_token",
    }
)
_NEXT_URLS: Final = ("@odata.nextLink", "odata.nextLink", "nextLink")
_LISTS: Final = ("items", "data", "results", "values", "value", "records", "entries", "list")
_TOTALS: Final = ("total", "total_count", "totalCount")
_INNER: Final = ("meta", "pagination", "paging", "page_info", "pageInfo", "response_metadata", "_meta", "metadata")


class ReadAnswer(NamedTuple):
    """An answer, the header of a `Link` to the next page, and an example with its status."""

    answer: Answer
    has_link: bool = False
    status: int = 200
    example: Any = None


def read_answer(reading: Reading, operation: Mapping[str, Any], file: str) -> ReadAnswer:
    """Read what an operation gives when all goes well."""
    responses = operation.get("responses")
    found = _find_success(responses if isinstance(responses, dict) else {})
    if found is None:
        return ReadAnswer(Answer())
    status, given = found
    response, file = reading.files.resolve(given, file)
    headers = response.get("headers") if isinstance(response.get("headers"), dict) else {}
    has_link = any(name.lower() == "link" for name in headers)
    content = response.get("content")
    number = int(status) if status.isdecimal() else 200
    if not isinstance(content, dict) or not content:
        return ReadAnswer(Answer(), has_link, number)
    media_type, kind = choose_media_type(content)
    media, file = reading.files.resolve(content[media_type], file)
    form = reading.forms.convert(media.get("schema"), file)
    if kind is Content.BYTES or reading.forms.look_up(form).get("format") == "binary":
        return ReadAnswer(Answer(is_file=True), has_link, number)
    if kind in {Content.TEXT, Content.XML}:
        return ReadAnswer(Answer(content=kind, schema={"type": "string"}), has_link, number)
    return ReadAnswer(Answer(schema=form), has_link, number, find_example(reading, media, media.get("schema"), file))


def _find_success(responses: Mapping[Any, Any]) -> tuple[str, Any] | None:
    """The lowest 2xx that is named, else 2XX, else the default."""
    named = sorted(str(each) for each in responses if str(each).isdecimal() and 200 <= int(str(each)) < 300)  # noqa: PLR2004
    by_text = {str(key).upper(): value for key, value in responses.items()}
    with_content = [
        each for each in named if isinstance(by_text[each], dict) and ("content" in by_text[each] or "$ref" in by_text[each])
    ]
    for status in (*with_content[:1], *named[:1], "2XX", "DEFAULT"):
        if status in by_text:
            return status, by_text[status]
    return None


def find_pages(
    reading: Reading, operation: Mapping[str, Any], inputs: Mapping[str, ActionInput], found: ReadAnswer
) -> tuple[Pages, Answer] | None:
    """Tell how an action's list comes in pages, and what it gives then; None where there is a doubt, or no list."""
    answer = found.answer
    if answer.is_file or answer.content is not None or not answer.schema:
        return None
    items = _find_list(reading.forms, answer.schema, operation)
    if items is None:
        return None
    path, form = items
    query = {each.at[0].lower(): name for name, each in inputs.items() if each.place is Place.QUERY}
    pages = _find_rule(reading.forms, answer.schema, query, inputs, found.has_link, path, operation)
    if pages is None:
        return None
    if any(each.is_required for name, each in inputs.items() if name in {pages.input, pages.size_input}) and not pages.input:
        return None
    return pages, Answer(schema=form, at=path)


def _find_list(forms: Forms, schema: Schema, operation: Mapping[str, Any]) -> tuple[tuple[str, ...], Schema] | None:
    """Find the one list of an answer: itself, the one with a usual name, or the only one."""
    shown = forms.look_up(schema)
    if shown.get("type") == "array":
        return (), schema
    flat = flatten(forms, schema)
    if flat is None:
        return None
    lists = {name: form for name, form in flat.properties.items() if _is_list(forms, form)}
    pageable = operation.get("x-ms-pageable")
    named = pageable.get("itemName", "value") if isinstance(pageable, dict) else None
    if named in lists:
        return (str(named),), lists[str(named)]
    usual = [name for name in _LISTS if name in lists]
    name = usual[0] if usual else next(iter(lists)) if len(lists) == 1 else None
    return ((name,), lists[name]) if name is not None else None


def _is_list(forms: Forms, form: Schema) -> bool:
    kind = forms.look_up(form).get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _find_rule(
    forms: Forms,
    schema: Schema,
    query: Mapping[str, str],
    inputs: Mapping[str, ActionInput],
    has_link: bool,
    path: tuple[str, ...],
    operation: Mapping[str, Any],
) -> Pages | None:
    flat = flatten(forms, schema)
    properties = flat.properties if flat is not None else {}
    size_input = next((name for wire, name in query.items() if wire in _SIZE), "")
    size = _read_size(forms, inputs[size_input]) if size_input else SIZE_MAX
    common: dict[str, Any] = {"items": path, "size_input": size_input, "size": size}
    pageable = operation.get("x-ms-pageable")
    for name in (pageable.get("nextLinkName") if isinstance(pageable, dict) else None, *_NEXT_URLS):
        if isinstance(name, str) and name in properties:
            return Pages(kind=PageKind.NEXT_URL, next=(name,), **common)
    following = properties.get("next")
    if following is not None and path and forms.look_up(following).get("format") in {"uri", "url"}:
        return Pages(kind=PageKind.NEXT_URL, next=("next",), **common)
    cursor = next((name for wire, name in query.items() if wire in _CURSOR), "")
    next_at = _find_next(forms, properties) if cursor else None
    if next_at is not None:
        return Pages(kind=PageKind.CURSOR, input=cursor, next=next_at, **common)
    if has_link:
        return Pages(kind=PageKind.LINK, **common)
    total = next(((name,) for name in _TOTALS if name in properties), ())
    page = next((name for wire, name in query.items() if wire in _PAGE), "")
    if page and size_input:
        first = 0 if _starts_at_zero(forms, inputs[page]) else 1
        return Pages(kind=PageKind.PAGE, input=page, first=first, total=total, **common)
    offset = next((name for wire, name in query.items() if wire in _OFFSET), "")
    if offset and size_input and forms.look_up(inputs[offset].schema).get("type") in {"integer", "number", None}:
        return Pages(kind=PageKind.OFFSET, input=offset, first=0, total=total, **common)
    return None


def _find_next(forms: Forms, properties: Mapping[str, Schema]) -> tuple[str, ...] | None:
    direct = next(((name,) for name in properties if name.lower() in _NEXT), None)
    if direct is not None:
        return direct
    for outer in _INNER:
        flat = flatten(forms, properties[outer]) if outer in properties else None
        inner = next((name for name in flat.properties if name.lower() in _NEXT), None) if flat is not None else None
        if inner is not None:
            return (outer, inner)
    return None


def _read_size(forms: Forms, each: ActionInput) -> int:
    """As many as one page may have, a hundred at most; unknown: what the document says is usual."""
    form = forms.look_up(each.schema)
    for value in (form.get("maximum"), form.get("default")):
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return min(value, SIZE_MAX)
    return 20


def _starts_at_zero(forms: Forms, each: ActionInput) -> bool:
    form = forms.look_up(each.schema)
    return form.get("default") == 0 or (form.get("minimum") == 0 and form.get("default") is None)
