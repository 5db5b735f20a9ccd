"""A file of examples that a machine made: read with its connector, and refused where it is not sound."""

import msgspec
import orjson
import pytest

from blubees.connectors.catalogue import MADE, load_connector, load_documented
from blubees.connectors.contract.made_examples import add_examples, write_examples
from blubees.connectors.contract.problems import ConnectorError
from blubees.model.action import ActionExample, Ask, Reply
from blubees.model.connector import Connector

FILE = f"slack{MADE}"


def bare_slack() -> Connector:
    """Slack with one action, and no examples."""
    slack = load_connector("slack")
    assert slack is not None
    action = msgspec.structs.replace(slack.actions["post_message"], examples=())
    return msgspec.structs.replace(slack, actions={"post_message": action}, triggers={}, trial=None)


GOOD = ActionExample(
    inputs={"channel": "C1", "text": "hello"},
    asks=(Ask(method="POST", path="/api/chat.postMessage", query={}, body={"channel": "C1", "text": "hello"}),),
    replies=(Reply(status=200, body={"ok": True, "ts": "1.2"}),),
    gives={"ts": "1.2"},
)
BAD = ActionExample(inputs={"channel": "C1", "text": "x"}, replies=(Reply(status=429),), fails="busy")


def test_what_is_written_is_read_again() -> None:
    written = write_examples({"post_message": (GOOD, BAD)})
    assert add_examples(bare_slack(), written, FILE).actions["post_message"].examples == (GOOD, BAD)
    assert written.count(b"\n") == 6  # a line for each example, the action's name, and the ends


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[", "This is not JSON"),
        (b"[]", "must be a mapping"),
        (b'{"post_massage": []}', "post_message"),
        (b'{"post_message": [{"inputs": {}}]}', "neither `gives` nor `fails`"),
        (b'{"post_message": [{"inputs": {"chanel": "C1"}, "replies": {"status": 429}, "fails": "busy"}]}', "chanel"),
        (b'{"post_message": [{"inputs": {}, "replies": {"status": 429}, "fails": "bussy"}]}', "busy"),
    ],
)
def test_what_is_not_sound_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        add_examples(bare_slack(), content, FILE)
    assert told in str(caught.value)
    assert FILE in str(caught.value)


def test_what_a_person_wrote_is_not_written_over() -> None:
    slack = load_connector("slack")
    assert slack is not None
    with pytest.raises(ConnectorError, match="Keep those"):
        add_examples(slack, write_examples({"post_message": (GOOD,)}), FILE)


def test_who_runs_flows_does_not_read_them() -> None:
    lean, whole = load_connector("jira"), load_documented("jira")
    assert lean is not None
    assert whole is not None
    assert not lean.actions["delete_component"].examples
    assert whole.actions["delete_component"].examples
    assert len(orjson.dumps(msgspec.to_builtins(whole.actions["create_component"].examples))) > 100


def test_a_connector_without_such_a_file_is_as_it_is() -> None:
    assert load_documented("slack") is load_connector("slack")
    assert load_documented("nothing") is None
