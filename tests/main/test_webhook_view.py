"""What commands tell of webhooks at vendors: in words that say what to do."""

from blubees.main.webhook_view import list_ended, tell_not_taken_back, tell_unregistered, write_rows

NOW = 1_795_000_000_000


def test_a_refusal_is_told_with_what_to_do() -> None:
    told = tell_unregistered({"code": "egress_refused", "detail": "host_rules"})
    assert "egress_refused host_rules" in told
    assert "--egress-allow" in told
    assert "`flow webhooks`" in tell_not_taken_back("credential_refused grant_dead")
    assert "connection authorize" in tell_not_taken_back("credential_refused grant_dead")
    assert "Remove it there" in tell_not_taken_back("no_action")


def test_what_became_of_a_connections_webhooks_is_told_by_flow() -> None:
    lines = list_ended(
        {"deleted": "team", "webhooks": [{"flow": "a", "failure": ""}, {"flow": "b", "failure": "vendor_broken"}]}
    )
    assert lines[0].startswith("flow a: its webhook was taken back.")
    assert lines[1].startswith("flow b: its webhook stays at its vendor, remove it there: vendor_broken.")
    assert list_ended({"deleted": "team"}) == []


def test_each_webhook_is_a_row_with_its_state() -> None:
    common = {"flow": "f", "connector": "github", "connection": "team", "since_milliseconds": NOW}
    rows = write_rows(
        [
            {**common, "state": "registered"},
            {**common, "state": "leaving", "tries": 2, "next_milliseconds": NOW, "failure": "busy", "removal": "ab"},
            {**common, "state": "left", "tries": 9, "failure": "busy", "removal": "cd"},
        ]
    )
    assert [row[3] for row in rows] == [
        "registered 11-18 11:06:40",
        "to be taken back: 2 tries, next 11-18 11:06:40",
        "stays at its vendor: given up after 9 tries",
    ]
    assert [row[4:] for row in rows] == [["", ""], ["busy", "ab"], ["busy", "cd"]]
