"""`blubees import jira-rules`: an export of Jira Automation as flow files and a report. Called by main/cli.py; offline."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from blubees.flows.jira_rules.export import FILE_MAX_BYTES
from blubees.flows.jira_rules.report import ImportedRule, ImportReport, NeededConnection, Verdict
from blubees.flows.jira_rules.translate import import_rules
from blubees.model.errors import InputError
from blubees.steps.book import load_book

REPORT: Final = "report.json"
_MARKS: Final = {
    Verdict.TRANSLATED: ("translated", "green"),
    Verdict.APPROXIMATED: ("approximated", "yellow"),
    Verdict.NOT_TRANSLATABLE: ("not translatable", "red"),
}


def translate_file(file: Path, tell: Callable[[int, int], None]) -> ImportReport:
    """Read and translate a file. Raises InputError."""
    try:
        size = file.stat().st_size
        if size > FILE_MAX_BYTES:
            raise InputError(f"{file}: it has {size} bytes, allowed are {FILE_MAX_BYTES}. Export fewer rules at a time.")
        return import_rules(file.read_bytes(), load_book(), tell)
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror}).") from None


def write_files(report: ImportReport, folder: Path, *, replace: bool) -> list[Path]:
    """Write each flow as <id>.yaml, and the report beside them.

    Raises:
        InputError: a file is there already and holds something else, or the folder can't be written to. Nothing was written.
    """
    files = {folder / f"{flow.id}.yaml": flow.text for rule in report.rules for flow in rule.flows}
    files[folder / REPORT] = msgspec.json.format(msgspec.json.encode(_without_texts(report)), indent=2).decode() + "\n"
    try:
        taken = [path for path, text in files.items() if path.exists() and path.read_text(encoding="utf-8") != text]
        if taken and not replace:
            names = tuple(path.name for path in taken[:10])
            raise InputError(
                f"{folder} has {len(taken)} of these files already. Choose another --out, or add --replace.", names
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder}: can't be written to ({getattr(error, 'strerror', None) or 'no text'}).") from None
    return list(files)


def tell_report(report: ImportReport, folder: Path, console: Console) -> None:
    """Draw what became of each rule, what differs, and what is to do."""
    console.print(_draw_rules(report))
    for rule in report.rules:
        rows = list(_list_differences(rule))
        if rows:
            console.print()
            console.print(Text(rule.name, style="bold"))
            console.print(_draw(["component", "verdict", "what and why"], rows))
    connections = list_connections(report)
    if connections:
        console.print("\nConnections to make (what stood in the rules was stripped):", markup=False)
        rows = [[Text(write_command(each)), Text(each.needs), Text(", ".join(each.used_by))] for each in connections]
        console.print(_draw(["command", "needs", "used by"], rows))
    whole = [flow for rule in report.rules for flow in rule.flows if not flow.placeholders]
    count = sum(len(rule.flows) for rule in report.rules)
    console.print(
        f"\n{len(report.rules)} rules, {count} flows in {folder}, {len(whole)} of them whole. All are drafts:"
        " check and publish each (blubees flow publish FILE), then disable its rule in Jira.",
        markup=False,
    )


def list_connections(report: ImportReport) -> list[NeededConnection]:
    """The connections of all rules, each once; `used_by` names the rules."""
    found: dict[tuple[str, str, tuple[str, ...], str], NeededConnection] = {}
    for rule in report.rules:
        for each in rule.connections:
            key = (each.name, each.kind, each.hosts, each.parameter)
            users = (*(found[key].used_by if key in found else ()), rule.name)
            found[key] = msgspec.structs.replace(each, used_by=tuple(dict.fromkeys(users)))
    return list(found.values())


def write_command(needed: NeededConnection) -> str:
    """The command that makes a connection; the secret is read from standard input."""
    hosts = "".join(f" --host {host}" for host in needed.hosts)
    parameter = f" --parameter {needed.parameter}" if needed.parameter else ""
    user = " --user-name USER" if needed.kind == "basic" else ""
    return f"blubees connection add {needed.name} --kind {needed.kind}{hosts}{parameter}{user}"


@contextmanager
def show_progress(*, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while rules are translated, where somebody looks."""
    console = Console(stderr=True)
    if not is_shown or not console.is_terminal:
        yield lambda _done, _all: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rules", total=None)
        yield lambda done, all_of_them: progress.update(task, completed=done, total=all_of_them)


def _draw_rules(report: ImportReport) -> Table:
    rows = [
        [
            Text(rule.name),
            Text(rule.state.lower()),
            Text("\n".join(flow.id for flow in rule.flows)),
            *(Text(str(rule.count(verdict)), justify="right", style=colour) for verdict, (_, colour) in _MARKS.items()),
            Text(str(sum(flow.placeholders for flow in rule.flows)), justify="right"),
        ]
        for rule in report.rules
    ]
    # translated, approximated, not translatable, and how many placeholders hold a place
    return _draw(["rule", "in Jira", "flow", "same", "near", "none", "to do"], rows)


def _list_differences(rule: ImportedRule) -> Iterator[list[Text]]:
    for each in rule.findings:
        if each.verdict is not Verdict.TRANSLATED or each.to_do:
            word, colour = _MARKS[each.verdict]
            why = " ".join(filter(None, (each.reason, each.to_do)))
            yield [Text(f"{each.path}\n{each.type}"), Text(word, style=colour), Text(why)]


def _draw(columns: list[str], rows: list[list[Text]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _without_texts(report: ImportReport) -> object:
    """The report without the documents, which lie beside it."""
    rules = msgspec.to_builtins(report)["rules"]
    for rule in rules:
        rule["flows"] = [{"id": flow["id"], "placeholders": flow["placeholders"]} for flow in rule["flows"]]
    return {"rules": rules}
