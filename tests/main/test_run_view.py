"""A run as the command line draws it."""

from typing import Any

from rich.console import Console

from blubees.main.run_view import draw_run, draw_runs

RUN: dict[str, Any] = {
    "tenant": "t" + "0" * 24,
    "flow": "greet",
    "version": 3,
    "run": "r" + "0" * 26,
    "trigger": "webhook",
    "outcome": "failed",
    "accepted_at_milliseconds": 1_795_000_000_000,
    "started_at_milliseconds": 1_795_000_000_004,
    "duration_microseconds": 1_000_000,
    "payload_bytes": 1_234,
    "failed_step": "send",
    "failure": {"code": "busy", "http_status": 429},
    "steps": [
        {"step": "loop", "kind": "each", "outcome": "done", "duration_microseconds": 500_000},
        {"step": "tell", "kind": "http", "outcome": "done", "times": 7, "duration_microseconds": 400_000},
        {
            "step": "send",
            "kind": "http",
            "outcome": "failed",
            "offset_microseconds": 500_000,
            "duration_microseconds": 500_000,
            "attempts": 2,
            "http_status": 429,
            "request_bytes": 20_480,
            "history": [
                {
                    "offset_microseconds": 500_000,
                    "duration_microseconds": 50_000,
                    "code": "busy",
                    "http_status": 429,
                    "request_id": "q-1",
                },
                {
                    "offset_microseconds": 950_000,
                    "duration_microseconds": 50_000,
                    "waited_microseconds": 400_000,
                    "code": "busy",
                    "http_status": 429,
                },
            ],
        },
    ],
}
EXPLANATION = {
    "code": "busy",
    "what": "It is rate limiting.",
    "where": "step send, with.url",
    "whose_fault": "vendor",
    "what_to_do": "Wait.",
    "http_status": 429,
}
SHAPES = {
    "event": [{"path": "", "type": "object", "size": 3, "unnamed": 2}, {"path": "items", "type": "list", "size": 1}, {"path": "items[0]", "type": "text"}],
    "steps": [{"step": "send", "input": [{"path": "", "type": "object", "size": 1}, {"path": "json", "type": "null"}]}],
    "depths": {"loop": 0, "tell": 1, "send": 0},
}  # fmt: skip


def draw(what: Any) -> list[str]:
    console = Console(width=140, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(what)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_run_is_drawn_with_its_steps_over_time() -> None:
    lines = draw(draw_run({"run": RUN, "explanations": [EXPLANATION], "shapes": SHAPES}))
    assert lines[0] == f"{RUN['run']}  greet v3  failed"
    assert lines[1] == "webhook of 1,234 bytes · accepted 11-18 11:06:40 UTC · begun 4.0 ms later · took 1.00 s"
    rows = {line.split()[0]: line for line in lines if line}
    assert rows["loop"].count("█") == 14
    assert rows["tell"].startswith("  tell  http  done, 7 times")
    assert rows["tell"].count("·") == 28
    send = next(line for line in lines if line.startswith("send    http"))
    assert send.index("█") > rows["loop"].rindex("█")
    assert (send.count("█"), "░" * 8 in send, "20 KiB" in send) == (4, True, True)


def test_tries_reasons_and_shapes_are_told() -> None:
    text = "\n".join(draw(draw_run({"run": RUN, "explanations": [EXPLANATION], "shapes": SHAPES})))
    assert "send: its tries" in text
    assert "q-1" in text
    assert "400.0 ms" in text
    for words in ("It is rate limiting. (busy, HTTP 429)", "step send, with.url", "the third party", "Wait."):
        assert words in text
    assert "3 fields, 2 not named" in text
    assert "1 item\n" in text + "\n"
    assert "0 characters" in text
    assert "send: was given" in text


def test_a_run_that_only_was_accepted_is_drawn_too() -> None:
    run = {
        name: RUN[name] for name in ("run", "flow", "version", "trigger", "accepted_at_milliseconds", "duration_microseconds")
    }
    lines = draw(
        draw_run({"run": run | {"outcome": "accepted", "started_at_milliseconds": 0}, "explanations": [], "shapes": {}})
    )
    assert len(lines) == 2


def test_a_list_tells_each_run_in_a_line() -> None:
    lines = draw(draw_runs([RUN]))
    assert "busy in send" in lines[1]
    assert len(lines) == 2


def test_a_trial_is_told_as_one_and_what_it_would_have_done() -> None:
    step = {"step": "send", "kind": "http", "outcome": "would", "would": {"method": "POST", "effect": "unsafe"}}
    run = RUN | {"trial": "dry_run", "outcome": "finished", "steps": [step], "failure": None}
    lines = draw(draw_run({"run": run, "explanations": [], "shapes": {}}))
    assert "finished  dry run" in lines[0]
    assert "would POST (unsafe)" in "\n".join(lines)
    assert "finished (dry run)" in draw(draw_runs([run]))[1]


def test_a_run_that_retries_another_one_says_which() -> None:
    run = RUN | {"retry_of": "r" + "1" * 26}
    assert draw(draw_run({"run": run, "explanations": [], "shapes": {}}))[1].endswith(" · retry of " + "r" + "1" * 26)
    assert "busy in send, retry of r" + "1" * 26 in " ".join(draw(draw_runs([run]))[1].split())
