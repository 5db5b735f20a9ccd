"""What was secret in an export is in no document, report, error or log: planted everywhere, looked for everywhere."""

import msgspec
import orjson
import pytest

from blubees.flows.jira_rules.export import read_export
from blubees.flows.jira_rules.report import ImportReport, Verdict
from blubees.flows.jira_rules.secrets import clean_strictly, clean_text, clean_tree, clean_url, looks_random
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.errors import InputError
from blubees.steps.book import load_book
from flows.jira_rules.examples import COMMENT, CREATED, component, rule

CANARY = "cNry8Kd3mQz7pWo5"
PLANTS = {
    "a header that is marked": {"headers": [{"name": "X-Thing", "value": CANARY, "headerSecure": True}]},
    "a header of Data Center": {"headers": [{"name": "X-Thing", "value": {"keyOrValue": CANARY, "secret": True}}]},
    "a header of no harmless name": {"headers": [{"name": "X-Anything", "value": CANARY}]},
    "an authorization": {"headers": [{"name": "Authorization", "value": f"Bearer {CANARY}"}]},
    "headers in a mapping": {"headers": {"Private-Token": CANARY}},
    "a user in the address": {"url": f"https://ann:{CANARY}@api.example.com/a"},
    "a parameter by its name": {"url": f"https://api.example.com/a?api_key={CANARY}&kind=b"},
    "a parameter by its look": {"url": f"https://api.example.com/a?x={CANARY}"},
    "a part of the path": {"url": f"https://api.example.com/hook/{CANARY}"},
    "an address of Slack's": {"url": f"https://hooks.slack.com/services/T01/B01/{CANARY}"},
    "an address of Telegram's": {"url": f"https://api.telegram.org/bot123:{CANARY}/sendMessage"},
    "the body, by a name": {"contentType": "custom", "customBody": f'{{"password": "{CANARY}", "a": "{{{{issue.key}}}}"}}'},
    "the body, which is no JSON": {
        "contentType": "custom",
        "customBody": f'{{"token": "{CANARY}", "a": {{{{issue.key.asJsonString}}}}}}',
    },
    "the body, as a form": {"contentType": "custom", "customBody": f"client_secret={CANARY}&a=b"},
}
TEXTS = [
    f"the password is {CANARY}",
    f"password: {CANARY}",
    f"see https://ann:{CANARY}@x.example.com/y",
    f"see https://x.example.com/?token={CANARY}",
    f"Bearer {CANARY}",
    f"ghp_{CANARY}{CANARY}",
    f"xoxb-1234-{CANARY}",
    f"eyJhbGciOiJ9.eyJ{CANARY}.{CANARY}",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    f'"apiKey": "{CANARY}"',
    f"{{{{issue.key}}}} secret={CANARY}",
]


def all_of(report: ImportReport) -> str:
    return msgspec.json.encode(report).decode() + "".join(flow.text for rule in report.rules for flow in rule.flows)


def translate(*documents: object) -> ImportReport:
    return import_rules(orjson.dumps({"rules": list(documents)}), load_book())


@pytest.mark.parametrize("planted", PLANTS.values(), ids=list(PLANTS))
def test_a_web_request_loses_it_and_tells_what_to_make(planted: dict[str, object]) -> None:
    value = {
        "url": "https://api.example.com/a",
        "headers": [],
        "method": "POST",
        "contentType": "empty",
        "responseEnabled": True,
    }
    report = translate(rule(CREATED, component("ACTION", "jira.issue.outgoing.webhook", value | planted)))
    assert CANARY not in all_of(report)
    finding = next(each for each in report.rules[0].findings if each.path == "components[0]")
    assert report.rules[0].connections or finding.verdict is not Verdict.TRANSLATED


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "place", ["name", "description", "comment", "jql", "variable", "label", "component", "unknown", "type"]
)
def test_texts_lose_it_wherever_they_stand(text: str, place: str) -> None:
    comment = component("ACTION", "jira.issue.comment", {"comment": text if place == "comment" else "Hello"})
    jql = component("CONDITION", "jira.jql.condition", f'summary ~ "{text}"' if place == "jql" else "project = A")
    variable = component(
        "ACTION", "jira.create.variable", {"name": {"value": "a"}, "query": {"value": text if place == "variable" else "b"}}
    )
    named = component("ACTION", "jira.issue.refetch", {}, **({"name": text, "comment": text} if place == "component" else {}))
    unknown = component("ACTION", text if place == "type" else "jira.some.day", {"any": [text]} if place == "unknown" else {})
    head = {place: text} if place in {"name", "description"} else {"labels": [text]} if place == "label" else {}
    report = translate(rule(CREATED, jql, comment, variable, named, unknown, COMMENT, **head))
    assert CANARY not in all_of(report)


@pytest.mark.parametrize(
    "name", ["webhookToken", "connectionId", "apiKey", "clientSecret", "password", "access_token", "secretValue", "authToken"]
)
def test_parts_of_unknown_components_lose_it_by_their_name(name: str) -> None:
    action = component("ACTION", "jira.some.day", {"inner": {name: CANARY.lower()[:9]}}, connectionId=CANARY)
    trigger = component("TRIGGER", "jira.some.trigger", {name: CANARY.lower()[:9]})
    report = translate(rule(trigger, action))
    assert CANARY.lower()[:9] not in all_of(report).lower()


@pytest.mark.parametrize(
    "kind", ["jira.issue.slack.message", "msteams.notification", "jira.incoming.webhook", "googlechat.notification"]
)
def test_addresses_and_tokens_of_other_components_are_stripped(kind: str) -> None:
    value = {
        "webhookUrl": f"https://hooks.slack.com/services/T0/B0/{CANARY}",
        "webhookToken": CANARY,
        "message": "Hello",
        "channel": "#a",
    }
    made = component("TRIGGER" if "incoming" in kind else "ACTION", kind, value, connectionId=CANARY)
    report = translate(rule(made, COMMENT) if "incoming" in kind else rule(CREATED, made))
    assert CANARY not in all_of(report)


def test_connections_of_several_rules_keep_their_names_apart() -> None:
    one = component(
        "ACTION",
        "jira.issue.outgoing.webhook",
        {"url": "https://a.example.com/", "headers": [{"name": "Authorization", "value": "abc"}]},
    )
    two = component(
        "ACTION",
        "jira.issue.outgoing.webhook",
        {"url": "https://a.example.com/", "headers": [{"name": "X-Key", "value": "abc"}]},
    )
    report = translate(rule(CREATED, one), rule(CREATED, two), rule(CREATED, one))
    names = [[(each.name, each.kind, each.hosts, each.parameter) for each in done.connections] for done in report.rules]
    host = ("a.example.com",)
    assert names == [
        [("a-example-com", "bearer", host, "")],
        [("a-example-com-2", "api_key_header", host, "X-Key")],
        [("a-example-com", "bearer", host, "")],
    ]


def test_errors_hold_nothing_of_the_file() -> None:
    for content in (f'{{"rules": [{CANARY}', f'"{CANARY}"', f'{{"{CANARY}": 1}}', CANARY):
        with pytest.raises(InputError) as caught:
            read_export(content.encode())
        assert CANARY not in str(caught.value) + caught.value.for_operator


@pytest.mark.parametrize(
    "text",
    [
        "Please look at {{issue.key}}: {{issue.summary}}, reported by {{issue.reporter.displayName}}.",
        "https://example.atlassian.net/browse/{{issue.key}}?focusedId=10001",
        'project = OPS AND status in ("To Do", Done) ORDER BY created',
        "Bearer {{webhookResponse.body.access_token}}",
        "customfield_10010 = accountable",
        "The quick brown fox jumps over the lazy dog, incomprehensibilities notwithstanding",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text) == text
    assert clean_tree({"text": text}) == {"text": text}


def test_what_looks_random_and_what_does_not() -> None:
    for text in (
        CANARY,
        "d41d8cd98f00b204e9800998ecf8427e",
        "6f1c8a52-1111-4222-8333-abcdefabcdef",
        "AbCdEfGhIjKlMnOpQrStUvWx0123456789",
    ):
        assert looks_random(text)
        assert clean_strictly(f"a {text} b") == "a [removed] b"
    for text in ("customfield_10010", "internationalization", "jira.issue.event.trigger", "2026-01-01", "release-2026.11"):
        assert not looks_random(text)


def test_an_address_keeps_what_is_no_secret() -> None:
    url = 'https://api.example.com/v1/issues/{{issue.key.replace("/", "?")}}/notes?kind=a&key={{issue.key}}'
    assert clean_url(url).url == url
    assert clean_url(url).is_clean
    cleaned = clean_url("https://u:p@{{host}}/a?b=1&token=abc#top")
    assert (cleaned.url, cleaned.has_user, cleaned.parameters) == ("https://{{host}}/a?b=1#top", True, ["token"])


def test_what_follows_a_hash_goes_when_it_may_be_a_token() -> None:
    assert clean_url(f"https://api.example.com/a#access_token={CANARY}").url == "https://api.example.com/a"
    assert clean_url("https://api.example.com/a#part").url == "https://api.example.com/a#part"
