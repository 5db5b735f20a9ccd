"""What a file says of its webhooks is checked: how they are signed, what tells one from another, what is answered."""

import pytest

from blubees.connectors.contract.check import check_connector
from blubees.connectors.contract.problems import ConnectorError
from blubees.connectors.contract.reader import read_connector

GOOD = """\
name: acme
title: Acme
base_url: https://acme.example
triggers:
  told:
    sort: webhook
    events: [made]
    hook:
      scheme: hmac
      header: X-Sign
      encoding: base64
      digests: [sha1, sha512]
      signed: [method, url, form, time]
      time_header: X-Time
      time_unit: milliseconds
      each_at: value.*
      event_at: kind.name
      delivery_at: id
      delivery_with: [at.time]
      accepted: <Response/>
      accepted_type: text/xml
      by_hand: In the settings.
"""


LASTING = """\
name: acme
title: Acme
base_url: https://acme.example
actions:
  subscribe:
    request: {method: POST, path: /hooks}
    inputs: {url: text, expires: text, secret: text}
    effect: unsafe
  renew:
    request: {method: PATCH, path: "/hooks/{id}"}
    inputs: {id: text, expires: text}
    effect: idempotent
triggers:
  told:
    sort: webhook
    hook:
      scheme: token
      token_at: state.secret
      register: subscribe
      register_inputs: {url: $url, secret: $secret, expires: $expires}
      lasts_seconds: 3600
      renew: renew
      renew_inputs: {expires: $expires}
"""


def test_what_is_said_of_a_registration_that_ends_by_itself_is_read() -> None:
    connector = read_connector(LASTING, "acme.yaml")
    assert check_connector(connector) == ()
    hook = connector.triggers["told"].hook
    assert hook is not None
    assert (hook.token_at, hook.lasts_seconds, hook.renew) == (("state", "secret"), 3600, "renew")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("      token_at: state.secret\n", "", "The scheme token needs `token_at`"),
        ("scheme: token", "scheme: none", "The scheme token needs `token_at`, where the secret stands; no other has it."),
        ("      renew: renew\n", "", "`renew` an action: both or neither."),
        ("      lasts_seconds: 3600\n", "", "`renew` an action: both or neither."),
        ("lasts_seconds: 3600", "lasts_seconds: 599", "`lasts_seconds` is 599; allowed is 600 to 34560000."),
        (
            "      renew: renew\n",
            "      renew: renw\n",
            "There is no action 'renw'; there are: renew, subscribe. Did you mean renew?",
        ),
        ("renew_inputs: {expires", "renew_inputs: {expiry", "There is no input of renew 'expiry'; there are: expires, id."),
        ("      register: subscribe\n", "      by_hand: In the settings.\n", "There is nothing to renew without `register`."),
    ],
)
def test_what_is_wrong_with_one_that_ends_is_told(old: str, new: str, told: str) -> None:
    assert LASTING.count(old) == 1
    with pytest.raises(ConnectorError) as caught:
        read_connector(LASTING.replace(old, new), "acme.yaml")
    assert told in str(caught.value)


def test_what_is_said_of_a_webhook_is_read() -> None:
    connector = read_connector(GOOD, "acme.yaml")
    assert check_connector(connector) == ()
    hook = connector.triggers["told"].hook
    assert hook is not None
    assert (hook.digests, hook.signed) == (("sha1", "sha512"), ("method", "url", "form", "time"))
    assert (hook.each_at, hook.delivery_with) == (("value", "*"), ("at.time",))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("encoding: base64", "encoding: base65", "There is no word of `encoding` 'base65'; there are: base64, hex."),
        ("[sha1, sha512]", "md5", "There is no word of `digests` 'md5'"),
        ("[method, url, form, time]", "[body, adress, time]", "There is no word of `signed` 'adress'"),
        ("milliseconds", "minutes", "There is no word of `time_unit` 'minutes'"),
        ("[method, url, form, time]", "[method, url, time]", "which parts, and `body` or `form` must be one of them"),
        ("[method, url, form, time]", "[url, body]", "The time is a signed part where `time_header` tells it"),
        ("      time_header: X-Time\n", "", "The time is a signed part where `time_header` tells it"),
        ("      header: X-Sign\n", "", "hmac needs the header that carries the signature."),
        ("scheme: hmac", "scheme: hmac_sha256", "`signed` and `time_header` belong to the scheme hmac only."),
        ("      delivery_at: id\n", "", "With `each_at`, `delivery_at` must tell one event from another."),
        (
            "      each_at: value.*\n      event_at: kind.name\n      delivery_at: id\n",
            "      event_at: a\n",
            "`delivery_with` adds",
        ),
        ("      accepted_type: text/xml\n", "", "`accepted` is what is answered"),
        ("text/xml", '"text/xml\\r\\nX-Other: 1"', "`accepted` is what is answered"),
        ("value.*", "value", "`each_at` is the path of a list, with `.*` at its end, or `*` alone."),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, told: str) -> None:
    assert GOOD.count(old) == 1 or old == "scheme: hmac"
    with pytest.raises(ConnectorError) as caught:
        read_connector(GOOD.replace(old, new, 1), "acme.yaml")
    assert told in str(caught.value)
