"""Files are read into the noun, and what is wrong in one is told where it stands."""

import pytest

from blubees.connectors.contract.problems import ConnectorError
from blubees.connectors.contract.reader import read_connector
from blubees.model.action import Content, Pages, Place, Style
from blubees.model.connector import Connector, TriggerSort

HEAD = """
name: acme
base_url: https://{site}.acme.example/api
parameters: {site: {title: Site, example: north}}
auth: {kind: bearer, docs: In the settings.}
"""
ACTIONS = """
actions:
  make_thing:
    request: {method: POST, path: "/things/{kind}"}
    inputs:
      kind: text
      title: text at fields.title
      tags: list? in query
      trace: text? at X-Trace in header
      size: {type: integer?, choices: [1, 2], description: How large., example: 2}
      tree: {schema: {type: object}, at: fields.tree, is_required: true, style: deep}
    outputs: {id: text, name: "text? at thing.na\\\\.me", etag: {type: text, header: etag}}
    effect: keyed
    examples:
      - {inputs: {kind: a, title: t, tree: {}}, replies: {body: {id: "1"}}, gives: {id: "1"}}
"""


def read(text: str, hooks: tuple[str, ...] = ()) -> Connector:
    return read_connector(text, "acme.yaml", hooks)


def complain(text: str) -> list[str]:
    with pytest.raises(ConnectorError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_short_forms_are_written_out() -> None:
    action = read(HEAD + ACTIONS).actions["make_thing"]
    assert action.title == "Make thing"
    assert action.request.content is Content.JSON
    assert action.key_header == "Idempotency-Key"
    inputs = action.inputs
    assert (inputs["kind"].place, inputs["kind"].is_required) == (Place.PATH, True)
    assert (inputs["title"].place, inputs["title"].at) == (Place.BODY, ("fields", "title"))
    assert (inputs["tags"].place, inputs["tags"].schema, inputs["tags"].is_required) == (Place.QUERY, {"type": "array"}, False)
    assert (inputs["trace"].place, inputs["trace"].at) == (Place.HEADER, ("X-Trace",))
    assert (inputs["size"].schema, inputs["size"].example) == ({"type": "integer", "enum": [1, 2]}, 2)
    assert (inputs["tree"].style, inputs["tree"].is_required) == (Style.DEEP, True)
    assert action.answer.outputs["name"].at == ("thing", "na.me")
    assert action.answer.outputs["name"].schema == {"type": ["string", "null"]}
    assert (action.answer.outputs["etag"].header, action.answer.outputs["etag"].at) == ("etag", ())


def test_one_scheme_needs_no_name() -> None:
    assert set(read(HEAD + ACTIONS).auth) == {"main"}


def test_what_carries_the_page_need_not_be_written() -> None:
    text = """
actions:
  list_things:
    request: {path: /things}
    pages: {kind: offset, items: data.things, input: start, size_input: count, size: 50}
    gives: {at: data.things}
    effect: read
"""
    action = read(HEAD + text).actions["list_things"]
    assert {name: each.place for name, each in action.inputs.items()} == {"start": Place.QUERY, "count": Place.QUERY}
    assert isinstance(action.pages, Pages)
    assert action.pages.items == ("data", "things")


def test_a_trigger_is_read() -> None:
    text = """
triggers:
  thing_made:
    sort: webhook
    events: [thing.made]
    hook: {scheme: hmac_sha256, header: X-Sign, event_at: kind.name, by_hand: In the settings.}
    sample: {kind: {name: thing.made}}
"""
    trigger = read(HEAD + ACTIONS + text).triggers["thing_made"]
    assert trigger.sort is TriggerSort.WEBHOOK
    assert trigger.hook is not None
    assert trigger.hook.event_at == ("kind", "name")
    assert trigger.title == "Thing made"


def test_headers_of_the_file_are_in_every_call() -> None:
    common = "headers: {Accept: application/vnd.acme+json, X-Version: 2}\n"
    text = ACTIONS.replace('path: "/things/{kind}"', 'path: "/things/{kind}", fixed: {headers: {X-Version: "3"}}')
    headers = read(HEAD + common + text).actions["make_thing"].request.fixed.headers
    assert headers == {"Accept": "application/vnd.acme+json", "X-Version": "3"}
    assert "There is no field" not in "".join(complain(HEAD + common.replace("Accept", "Authorization") + ACTIONS))


def test_what_a_trigger_does_not_give_is_asked_of_the_flow() -> None:
    text = """
triggers:
  thing_made:
    sort: webhook
    hook: {scheme: none, register: make_thing, register_inputs: {title: $url}, unregister: unmake_thing}
  thing_changed:
    sort: poll
    poll: {action: list_things, cursor_at: at, id_at: id}
"""
    listing = """  list_things:
    request: {path: "/things/{kind}"}
    inputs: {kind: text}
    pages: {kind: link}
    effect: read
  unmake_thing:
    request: {method: DELETE, path: "/things/{kind}/{id}"}
    inputs: {kind: text, id: text}
    effect: idempotent
"""
    whole = HEAD + ACTIONS + listing + text
    assert set(read(whole).triggers) == {"thing_made", "thing_changed"}
    assert "There is no input 'titel'" in complain(whole.replace("{title: $url", "{titel: $url"))[0]
    assert "What is registered is taken back, too" in complain(whole.replace(", unregister: unmake_thing", ""))[0]
    known = "neither the trigger's inputs nor make_thing tell it."
    assert (
        f"unmake_thing needs `number`: {known}"
        in complain(whole.replace("{id}", "{number}").replace("t, id: t", "t, number: t"))[0]
    )
    assert (
        f"unmake_thing needs `title`: {known}"
        in complain(whole.replace("{id}", "{title}").replace("t, id: t", "t, title: t"))[0]
    )


QUEUE = """  receive:
    request: {method: POST, path: /receive}
    inputs: {queue: text}
    effect: idempotent
  remove:
    request: {method: POST, path: /remove}
    inputs: {queue: text, messages: list}
    effect: idempotent
triggers:
  message:
    sort: poll
    poll: {action: receive, id_at: id, taken_by: remove, taken_input: messages}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("taken_by: remove, taken_input: messages", "id_at: id", "only one that reads may stand"),
        ("taken_by: remove", "taken_by: removes", "There is no action 'removes'"),
        ("taken_input: messages", "taken_input: message", "There is no input 'message'"),
        ("taken_input: messages", "taken_input: messages, cursor_at: at", "there is no cursor beside it"),
        (
            "messages: list}\n    effect: idempotent",
            "messages: list}\n    effect: unsafe",
            "what takes away may be called twice",
        ),
        ("taken_input: messages", "taken_input: messages, settles_seconds: 99999", "allowed are 0 to 36000"),
    ],
)
def test_what_takes_away_may_be_called_twice_and_has_no_cursor(old: str, new: str, told: str) -> None:
    assert read(HEAD + ACTIONS + QUEUE).triggers["message"].poll is not None
    assert QUEUE.count(old) == 1
    if new == "id_at: id":  # without what takes away
        old, new = f", {old}", ""
    problems = complain(HEAD + ACTIONS + QUEUE.replace(old, new))
    assert any(told in problem for problem in problems), problems


BUCKET = """name: acme
title: Acme
base_url: https://{host}
parameters:
  region: {default: eu}
  host: {default: "s3.{region}.acme.example", pattern: "[a-z0-9.-]+"}
  addressing: {choices: [virtual, path], default: virtual}
actions:
  get:
    request: {path: "/{key}"}
    inputs: {bucket: text in host, key: {type: text, style: key}, tags: {type: object?, pairs: [Key, Value]}}
    effect: read
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("default: virtual", "default: ''", "tells where it goes"),
        ("[virtual, path]", "[virtual, other, path]", "tells where it goes"),
        ("  addressing:", "  addresing:", "tells where it goes"),
        ("https://{host}", "https://{host}/v1", "so the base URL has no path"),
        ("bucket: text in host", "bucket: text? in host", "and it is required"),
        ("s3.{region}", "s3.{regionn}", "{regionn} is no parameter whose default is plain"),
        ("[Key, Value]", "[Key]", "have two names"),
        ("object?", "text?", "have two names"),
        ("style: key", "style: numbered", "numbered is no style of the path"),
        (
            "key: {type: text, style: key}",
            "key: text in path, x: {type: text?, in: header, style: prefix}",
            "a style of objects",
        ),
    ],
)
def test_a_bucket_is_named_where_a_connection_can_tell_where_it_goes(old: str, new: str, told: str) -> None:
    assert read(BUCKET).actions["get"].inputs["bucket"].is_required
    assert BUCKET.count(old) == 1
    problems = complain(BUCKET.replace(old, new))
    assert any(told in problem for problem in problems), problems


def test_a_scope_of_a_trigger_is_one_of_its_connectors() -> None:
    head = HEAD.replace("auth: {kind: bearer,", "auth: {kind: oauth2_client, scopes: {read: Read things},")
    trigger = "triggers: {made: {title: Made, sort: webhook, scopes: [%s], hook: {by_hand: There.}}}\n"
    assert read(head + ACTIONS + trigger % "read").triggers["made"].scopes == ("read",)
    assert "triggers.made.scopes: There is no scope 'reed'" in complain(head + ACTIONS + trigger % "reed")[0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("effect: keyed", "effect: keyd", "acme.yaml:18: actions.make_thing.effect: 'keyd' is not allowed; allowed are: read"),
        ("effect: keyed", "effect: keyd", "Did you mean keyed?"),
        ("      kind: text", "      kind: txt", "acme.yaml:11: actions.make_thing.inputs.kind: There is no type 'txt'"),
        ("title: text at", "title: text to", "is no short form"),
        ("    outputs:", "    output:", "actions.make_thing.output: There is no field 'output'"),
        ("{kind}", "{kindd}", "{kindd} stands in the path, and no input goes there."),
        ("kind: text", "kind: text?", "What goes into the path is required."),
        ("title: text", "limit: text", "No input may be called limit"),
        ("{site}", "{sitee}", "There is no parameter 'sitee'; there are: site. Did you mean site?"),
        ("example: north", "example: no/rth", "does not match the pattern"),
        ("fields.tree", "fields.title", "It goes to where the input title goes already: fields.title."),
        ("fields.tree", "fields", "Other inputs go into what it is"),
        ("fields.tree", "fields.*.tree", "* in a path stands for the items of a list, in a body of JSON or XML."),
        ("in header", "in footer", "'footer' is not allowed; allowed are: path, query, header, cookie, body, host."),
        ("X-Trace", "Authorization", "is not a header that an input may set"),
        ("style: deep", "style: simple", "simple is no style of the body"),
        ("gives: {id", "fails: busy, gives: {id", "both `gives` and `fails`"),
        (', gives: {id: "1"}}', "}", "neither `gives` nor `fails`"),
        (', gives: {id: "1"}}', ", fails: bussy}", "There is no failure 'bussy'"),
        ("{kind: a, title: t,", "{kind: a, titel: t,", "There is no input 'titel'"),
        ("{kind: a, title: t,", "{kind: a,", "The input title is required and not given."),
        ("make_thing:", "Make-Thing:", "A name is 1 to 63 lower-case letters"),
        ("effect: keyed", "effect: keyed\n    effect: read", "The key stands here twice (again in line 19)"),
        ("is_required: true", "is_required: maybe", "Expected `bool`, got `str`"),
        ("auth: {kind", "trial: {action: make_thing}\nauth: {kind", "The action make_thing has the effect keyed"),
        ("auth: {kind", "errors: [{means: busy}]\nauth: {kind", "The rule has no condition"),
        ("auth: {kind", "errors: [{status: 4x, means: busy}]\nauth: {kind", "'4x' is no status"),
        ("auth: {kind", "exemptions: {triggers: no}\nauth: {kind", "An exemption needs its reason"),
        ("{type: object}", '{$ref: "#/schemas/Tree"}', "There is no schema 'Tree'"),
        ("{type: object}", '{$ref: "http://evil.example/"}', "there are no others"),
        ("size: {type", "connection: {type", "No input may be called connection"),
        ("https://{site}", "ftp://{site}", "A base URL is https://host"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(old: str, new: str, told: str) -> None:
    assert (HEAD + ACTIONS).count(old) >= 1
    problems = complain((HEAD + ACTIONS).replace(old, new, 1))
    assert any(told in problem for problem in problems), problems


def test_all_that_is_wrong_is_told_at_once() -> None:
    problems = complain((HEAD + ACTIONS).replace("kind: text", "kind: txt").replace("keyed", "keyd"))
    assert len([each for each in problems if "acme.yaml:" in each]) == len(problems) >= 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "The file is empty."),
        ("- a", "This must be a mapping of names to values; it is a list."),
        ("a: [1", "This is not YAML"),
        ("a: &x 1\nb: *x", "anchors and aliases are not allowed"),
        ("[" * 5_000, "This is not YAML"),
    ],
)
def test_what_is_no_connector_at_all_is_refused(text: str, told: str) -> None:
    assert told in complain(text)[0]


def test_words_that_yaml_takes_for_truth_stay_texts() -> None:
    text = HEAD.replace("title: Site", "title: on") + ACTIONS
    assert read(text).parameters["site"].title == "on"


def test_a_hook_must_be_there() -> None:
    text = HEAD + ACTIONS.replace("request: {method: POST,", "request: {hook: send, method: POST,")
    assert "There is no function in the Python twin 'send'" in complain(text)[0]
    assert read(text, ("send",)).actions["make_thing"].request.hook == "send"


def test_what_a_hook_turns_pages_with_is_a_text() -> None:
    text = """
actions:
  list_things:
    request: {path: /things}
    pages: {kind: hook, hook: next_page, items: things, input: cursor}
    effect: read
"""
    action = read(HEAD + text, ("next_page",)).actions["list_things"]
    assert action.inputs["cursor"].schema == {"type": "string"}
