"""Draws one run for people: its steps over time, the tries of what failed, why, and the shapes of what was there. No values.

Used by main/cli.py (`runs list`, `runs show`). Colours say nothing that the words do not say too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from blubees.main.cli_tables import run_rows, write_duration, write_size, write_time

BAR_CELLS: Final = 28
STYLES: Final = {
    "finished": "green",
    "done": "green",
    "would": "cyan",
    "stopped": "yellow",
    "failed": "bold red",
    "lost": "bold red",
    "cancelled": "yellow",
    "accepted": "blue",
}
INDENT: Final = 2
OUTCOME: Final = 4  # the column

Facts = Mapping[str, Any]


def draw_run(found: Facts) -> RenderableType:
    """Draw what the operator API tells of a run."""
    run: Facts = found["run"]
    shapes: Facts = found.get("shapes") or {}
    parts: list[RenderableType] = [_draw_head(run)]
    if run.get("steps"):
        parts += [Text(), _draw_steps(run, shapes.get("depths", {}))]
    for step in run.get("steps", ()):
        if len(step.get("history", ())) > 1 or any(each.get("request_id") for each in step.get("history", ())):
            parts += [Text(), _draw_history(step)]
    if found.get("explanations"):
        parts += [Text(), *_draw_explanations(found["explanations"])]
    drawn = _draw_shapes(shapes)
    if drawn is not None:
        parts += [Text(), drawn]
    return Group(*parts)


def draw_runs(runs: Iterable[Facts]) -> RenderableType:
    """Draw a list of runs."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "flow", "since (UTC)", "took", "outcome", "why"):
        table.add_column(
            name,
            no_wrap=name != "why",
            overflow="fold" if name == "why" else "ellipsis",
            justify="right" if name == "took" else "left",
        )
    for run, row in ((run, run_rows([run])[0]) for run in runs):
        table.add_row(
            *(Text(cell, style=style_of(str(run["outcome"])) if place == OUTCOME else "") for place, cell in enumerate(row))
        )
    return table


def open_console() -> Console:
    """Open the terminal; what is no terminal gets lines of 140 characters."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


def style_of(outcome: str) -> str:
    """The colour of an outcome."""
    return STYLES.get(outcome, "")


def _draw_head(run: Facts) -> RenderableType:
    outcome = str(run["outcome"])
    started = run.get("started_at_milliseconds", 0)
    line = Text.assemble(
        (str(run["run"]), "bold"), "  ", f"{run['flow']} v{run['version']}", "  ", (outcome, style_of(outcome))
    )
    if run.get("trial"):
        line.append(f"  {write_trial(run)}", style="cyan")
    if run.get("reason"):
        line.append(f" ({run['reason']})")
    facts = [
        f"{run['trigger']} of {run.get('payload_bytes', 0):,} bytes",
        f"accepted {write_time(run['accepted_at_milliseconds'])} UTC",
    ]
    if started:
        facts.append(f"begun {write_duration(max(0, started - run['accepted_at_milliseconds']) * 1000)} later")
        facts.append(f"took {write_duration(run['duration_microseconds'])}")
    if run.get("deliveries", 1) > 1:
        facts.append(f"taken over: {run['deliveries']} deliveries")
    if run.get("relaunches", 0):
        facts.append(f"launched again {run['relaunches']} times")
    if run.get("retry_of"):
        facts.append(f"retry of {run['retry_of']}")
    return Group(line, Text(" · ".join(facts), style="dim"))


def _draw_steps(run: Facts, depths: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, right in (
        ("step", 0),
        ("kind", 0),
        ("outcome", 0),
        ("", 0),
        ("took", 1),
        ("status", 1),
        ("sent", 1),
        ("received", 1),
    ):
        table.add_column(name, justify="right" if right else "left", no_wrap=name in {"", "took"}, overflow="fold")
    whole = max(1, run["duration_microseconds"], *(_end_of(step) for step in run["steps"]))
    for step in run["steps"]:
        depth = min(depths.get(step["step"], 0), 8)
        outcome = str(step["outcome"])
        table.add_row(
            Text("  " * depth + step.get("within", "") + step["step"]),
            Text(step["kind"], style="dim"),
            Text(outcome + write_counts(step), style=style_of(outcome)),
            _draw_bar(step, whole),
            write_duration(step.get("duration_microseconds", 0)),
            str(step.get("http_status", "") or ""),
            write_size(step.get("request_bytes", 0)),
            write_size(step.get("answer_bytes", 0)),
        )
    return table


def write_trial(run: Facts) -> str:
    """What a run is that a person started to look at; empty for all others."""
    return str(run.get("trial", "")).replace("_", " ")


def write_counts(step: Facts) -> str:
    """How often a step was performed and tried, and which branch was taken, as far as that says something."""
    would = step.get("would")
    times, attempts, branch = step.get("times", 1), step.get("attempts", 1), step.get("branch", -1)
    return (
        (f" {would['method']} ({would['effect']})" if would else "")
        + (f", {times} times" if times > 1 else "")
        + (f", {attempts} tries" if attempts > times else "")
        + (f", branch {branch + 1}" if branch >= 0 else "")
    )


def _end_of(step: Facts) -> int:
    return int(step.get("offset_microseconds", 0) + step.get("duration_microseconds", 0)) if step.get("times", 1) == 1 else 0


def _draw_bar(step: Facts, whole: int) -> Text:
    """Draw when a step was under way: full where it worked, light where it waited before another try.

    Of a step in a loop only its first beginning is known: a dotted line from there.
    """
    cells = [" "] * BAR_CELLS
    if step.get("times", 1) > 1:
        _fill(cells, step.get("offset_microseconds", 0), whole, whole, "·")
        return Text("".join(cells), style="dim")
    start = step.get("offset_microseconds", 0)
    history = step.get("history", ())
    _fill(cells, start, start + step.get("duration_microseconds", 0), whole, "░" if len(history) > 1 else "█")
    if len(history) > 1:
        for each in history:
            begun = each.get("offset_microseconds", 0)
            _fill(cells, begun, begun + each.get("duration_microseconds", 0), whole, "█")
    return Text("".join(cells), style=style_of(str(step["outcome"])).removeprefix("bold "))


def _fill(cells: list[str], start: int, end: int, whole: int, mark: str) -> None:
    first = min(BAR_CELLS - 1, start * BAR_CELLS // whole)
    last = min(BAR_CELLS - 1, max(start, end - 1) * BAR_CELLS // whole)
    for cell in range(first, last + 1):
        cells[cell] = mark


def _draw_history(step: Facts) -> RenderableType:
    history: Sequence[Facts] = step["history"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("try", "waited", "at", "took", "status", "how it ended", "their request id"):
        table.add_column(name, justify="right" if name in {"waited", "at", "took", "status"} else "left")
    for number, each in enumerate(history, 1):
        code = each.get("code")
        table.add_row(
            str(number),
            write_duration(each["waited_microseconds"]) if each.get("waited_microseconds") else "",
            "+" + write_duration(each.get("offset_microseconds", 0)),
            write_duration(each.get("duration_microseconds", 0)),
            str(each.get("http_status", "") or ""),
            Text(code or "done", style=style_of("failed" if code else "done")),
            Text(each.get("request_id", "")),
        )
    whose = "the first turn that failed" if step.get("times", 1) > 1 else "its tries"
    return Group(Text.assemble((step["step"], "bold"), f": {whose}"), Padding(table, (0, 0, 0, INDENT)))


def _draw_explanations(explanations: Iterable[Facts]) -> list[RenderableType]:
    drawn: list[RenderableType] = []
    for each in explanations:
        if drawn:
            drawn.append(Text())
        facts = [each["code"], f"HTTP {each['http_status']}" if each.get("http_status") else "", each.get("detail", "")]
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("what", escape(f"{each['what']} ({', '.join(fact for fact in facts if fact)})"))
        table.add_row("where", escape(each["where"]))
        table.add_row(
            "who", {"tenant": "the flow or its connections", "vendor": "the third party", "us": "BluBees"}[each["whose_fault"]]
        )
        table.add_row("to do", escape(each["what_to_do"]))
        drawn.append(table)
    return drawn


def _draw_shapes(shapes: Facts) -> RenderableType | None:
    """Draw shapes as trees: names of the flow's own text, types and sizes."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("shape: what was there, without values", overflow="fold")
    table.add_column("type")
    table.add_column("size")
    rows = list(_shape_rows("event", shapes.get("event", ())))
    for step in shapes.get("steps", ()):
        rows += _shape_rows(f"{step['step']}: was given", step.get("input", ()))
        rows += _shape_rows(f"{step['step']}: gave, or was answered", step.get("output", ()))
    for row in rows:
        table.add_row(*row)
    return table if rows else None


def _shape_rows(title: str, fields: Sequence[Facts]) -> Iterable[tuple[Text, Text, str]]:
    for field in sorted(fields, key=lambda each: _sort_path(each["path"])):
        path = str(field["path"])
        parts = path.replace("[0]", ".[0]").split(".") if path else []
        label = Text("  " * len(parts) + (parts[-1] if parts else title), style="" if parts else "bold")
        unnamed = field.get("unnamed", 0)
        kind = Text(str(field["type"]), style="dim" if field["type"] == "null" else "")
        yield (
            label,
            kind,
            _write_extent(str(field["type"]), field.get("size", 0)) + (f", {unnamed:,} not named" if unnamed else ""),
        )


def _write_extent(kind: str, size: int) -> str:
    unit = {"text": "character", "list": "item", "object": "field"}.get(kind)
    return "" if unit is None else f"{size:,} {unit}" if size == 1 else f"{size:,} {unit}s"


def _sort_path(path: str) -> list[str]:
    return path.replace("[0]", ".[0]").split(".") if path else []
