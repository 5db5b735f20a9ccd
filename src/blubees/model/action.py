"""An action as a noun: one operation of a type of third party, and how it is asked for. Data only; nothing in it is evaluated.

Part of model/connector.py; performed by connectors/actions.

A value's form is a JSON Schema (2020-12) in plain dicts and lists. `{"$ref": "#/schemas/NAME"}` leads to the connector's own
`schemas`, so that cyclic forms stay small; there are no other references.
"""

from enum import StrEnum
from typing import Any

import msgspec

from blubees.model.call import Effect

Schema = dict[str, Any]
Path = tuple[str, ...]
"""Names from the outermost to the innermost; a number as text is a place in a list. Empty: the whole value."""


class Meaning(StrEnum):
    """What an answer of a third party means: the first five failures of model/failures.py, by the same words."""

    BUSY = "busy"
    CREDENTIAL_REFUSED = "credential_refused"
    NOT_FOUND = "not_found"
    REQUEST_REFUSED = "request_refused"
    VENDOR_BROKEN = "vendor_broken"


class Place(StrEnum):
    """Where an input goes.

    `host`: before the host of the base URL, as a name below it; or first into the path, where the connection's parameter
    `addressing` says `path`: the two ways in which servers of Amazon S3's protocol are told a bucket.
    """

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    BODY = "body"
    HOST = "host"


class Style(StrEnum):
    """How a list or an object is written there: OpenAPI 3.1, "Parameter Object", style; `json` is its `content`.

    `numbered` (forms): `Tags.member.1.Key=a`, lists counted from one, as AWS's query protocol has it. `key` (path, header): the
    name of an object with all of its slashes, `a//b/`, as in S3; the rest of it is percent-encoded. `prefix` (header): each
    name of an object is a header of its own, with the input's name before it: `x-amz-meta-` and `{issue: OPS-7}`.
    """

    SIMPLE = "simple"
    LABEL = "label"
    MATRIX = "matrix"
    FORM = "form"
    SPACE = "space"
    PIPE = "pipe"
    DEEP = "deep"
    JSON = "json"
    NUMBERED = "numbered"
    KEY = "key"
    PREFIX = "prefix"


class Content(StrEnum):
    """What a body is."""

    NONE = "none"
    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    TEXT = "text"
    XML = "xml"
    BYTES = "bytes"


class ActionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that an action takes.

    Attributes:
        schema: its form.
        place: where it goes.
        at: for a body its path in it (empty: it is the whole body; `*`: each item of the list goes below it, as in
            `to.*.address`); elsewhere the one name that it has there.
        style: how a list or an object is written; None: the usual one of its place (simple, form, simple, form).
        explode: whether each item has a name of its own; None: as the style has it.
        is_secret: it is never shown, nor kept in an example (a password to be set, say).
        media_type: of a part of a multipart body, or of `json` elsewhere; empty: the usual one.
        one_of: other inputs of which exactly one may be given beside it, this one counted.
        is_literal: it stands in the flow as it is, without smart values: a statement whose values are parameters.
        keeps_slashes: slashes in it part the path (place path only): a file's path in a repository.
        pairs: two names: an object is sent as a list of such pairs, `{a: 1}` as `[{Key: a, Value: 1}]`.
    """

    schema: Schema
    place: Place
    at: Path = ()
    is_required: bool = False
    title: str = ""
    description: str = ""
    example: Any = None
    style: Style | None = None
    explode: bool | None = None
    is_secret: bool = False
    is_deprecated: bool = False
    media_type: str = ""
    one_of: tuple[str, ...] = ()
    is_literal: bool = False
    keeps_slashes: bool = False
    pairs: tuple[str, ...] = ()


class Fixed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is sent beside the inputs, always the same: a GraphQL document, a version header."""

    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an action is asked for.

    Attributes:
        path: below the base URL, with `{name}` where inputs of place `path` go.
        base_url: another than the connector's; empty: the same.
        content: what the body is; `none` where no input goes there.
        media_type: the body's; empty: the usual one of `content` (application/json, …).
        content_md5: the body's MD5 is sent as Content-MD5 (RFC 1864), which some of S3's operations want.
        tool: for a connector with `speaks: mcp`, the server's name of the tool; else empty.
        tool_hash: of the tool's definition as it was imported: the server's must still be the same when the tool is called.
        hook: the name of a function in the connector's Python twin that makes the calls instead; empty: none.
    """

    method: str = "GET"
    path: str = ""
    base_url: str = ""
    content: Content = Content.NONE
    media_type: str = ""
    content_md5: bool = False
    fixed: Fixed = Fixed()
    tool: str = ""
    tool_hash: str = ""
    hook: str = ""


class ActionOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that an action gives: `at` is its path in the answer's body, `header` the header that it comes from instead.

    A header with `*` at its end stands for all that begin so: they are given as an object, by the rest of their names.
    `*` in the path stands for each item of a list: what it finds is given as a list, or joined where the output is a text.
    `pairs`: two names: a list of such pairs is given as an object, `[{Key: a, Value: 1}]` as `{a: 1}`.
    """

    schema: Schema
    at: Path = ()
    header: str = ""
    description: str = ""
    pairs: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an answer is read.

    Attributes:
        content: what a success's body is; None: as its Content-Type says. `xml`: it is read into a value as JSON would have
            made one (connectors/actions/xml_reading.py), unless the form is a text.
        at: the path of what is given (JSON and XML); empty: the whole.
        schema: the form of what is given. In XML all is text: what is a list, a number or a truth is told by the form.
        outputs: what is given instead, by name: then only these.
        statuses: which statuses are a success beside 2xx.
        is_file: the body is a file: it is handed on in pieces and never held whole.
    """

    content: Content | None = None
    at: Path = ()
    schema: Schema = {}
    outputs: dict[str, ActionOutput] = {}
    statuses: tuple[int, ...] = ()
    is_file: bool = False


class ErrorRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which answers mean what. All that is given must hold; the first rule that holds counts.

    Attributes:
        status: "429", "4xx" or "" for any, a success too.
        body: paths, written with dots, to what must stand there: a text, number or truth, a list of such, or "*" for anything.
        header: names to what must stand there; "*" for anything.
        wait_at: the path of the seconds to wait in the body, where they are told there.
        wait_header: the header that tells when to come back: seconds, a date, or seconds since 1970.
    """

    means: Meaning
    status: str = ""
    body: dict[str, Any] = {}
    header: dict[str, str] = {}
    wait_at: str = ""
    wait_header: str = ""


class PageKind(StrEnum):
    """How further pages are asked for."""

    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"
    LINK = "link"
    NEXT_URL = "next_url"
    HOOK = "hook"


class Pages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an action's list comes in pages. The action gets one input more, `limit`: how many items in all.

    Attributes:
        items: the path of the list in the answer's body.
        input: the input that carries the page's number, the offset or the cursor (page, offset, cursor).
        first: the number of the first page, or the first offset (in a file 0 for offsets unless it is written).
        size_input: the input that carries how many items a page has; empty: none.
        size: how many are asked for.
        next: the path of the next cursor (cursor) or of the next page's URL (next_url).
        cursor_from: "item": the cursor is at `next` in the last item of the page instead of in the body.
        total: the path of how many there are in all; empty: a page that is not full, or empty, is the last.
        more: the path of whether there are more; empty: as the others tell.
        last: the path of whether this page is the last, where the vendor says it so; where it does not: as the others tell.
        until_empty: a page that is not full need not be the last, only an empty one is: some vendors leave out of a page what
            may not be seen. Offsets then grow by what was asked for.
        hook: the function in the Python twin (hook).
    """

    kind: PageKind
    items: Path = ()
    input: str = ""
    first: int = 1
    size_input: str = ""
    size: int = 100
    next: Path = ()
    cursor_from: str = "body"
    total: Path = ()
    more: Path = ()
    last: Path = ()
    until_empty: bool = False
    hook: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the third party allows one connection.

    Attributes:
        timeout_seconds: for one call.
        calls_per_minute: 0: not known.
        at_once: how many calls at a time; 0: not known.
        remaining_header: the header that tells how many calls are left.
        reset_header: the header that tells when there are more: seconds, a date, or seconds since 1970.
        answer_limit_bytes: larger answers are refused.
    """

    timeout_seconds: float = 30.0
    calls_per_minute: int = 0
    at_once: int = 0
    remaining_header: str = ""
    reset_header: str = ""
    answer_limit_bytes: int = 5_242_880


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the third party answers in an example."""

    status: int = 200
    headers: dict[str, str] = {}
    body: Any = None


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an example's call must be; what is left out is not looked at."""

    method: str = ""
    path: str = ""
    query: dict[str, str] | None = None
    headers: dict[str, str] = {}
    body: Any = None


class ActionExample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One example of an action: documentation, fixture and test at once. Exactly one of `gives` and `fails`.

    Attributes:
        replies: one after the other, for pages.
        asks: the calls that must be made, one after the other; fewer than replies: the others are not looked at.
        fails: a failure's code.
    """

    inputs: dict[str, Any] = {}
    replies: tuple[Reply, ...] = ()
    asks: tuple[Ask, ...] = ()
    gives: Any = None
    fails: str = ""
    title: str = ""


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One operation of a connector.

    Attributes:
        title: for people, in the imperative: "Post a message".
        group: what stands together in lists ("Messages"); empty: none.
        effect: what happens when it is done twice.
        key_header: the header that carries our idempotency key (keyed only).
        auth: alternatives, each the names of auth schemes that are all needed; empty: the connector's.
        scopes: the OAuth scopes that it needs, the least.
        pages: how its list comes in pages; None: it does not.
        limits: others than the connector's; None: the same.
        errors: looked at before the connector's.
        docs_url: the vendor's page about it.
    """

    title: str = ""
    description: str = ""
    group: str = ""
    inputs: dict[str, ActionInput] = {}
    request: Request = Request()
    answer: Answer = Answer()
    effect: Effect
    key_header: str = ""
    auth: tuple[tuple[str, ...], ...] = ()
    scopes: tuple[str, ...] = ()
    pages: Pages | None = None
    limits: Limits | None = None
    errors: tuple[ErrorRule, ...] = ()
    docs_url: str = ""
    is_deprecated: bool = False
    examples: tuple[ActionExample, ...] = ()
