"""What the groups of the command line share: their options, and how they print. Used by main/cli.py and main/cli_….py."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import cyclopts
from rich.console import Console

PROBLEMS: Final = 1
DATA: Final = Path(".blubees")
Data = Annotated[Path, cyclopts.Parameter(name="--data", env_var="BLUBEES_DATA", help="the service's data folder")]
Tenant = Annotated[str, cyclopts.Parameter(name="--tenant", help="the tenant's id; needed when there are several")]
Json = Annotated[bool, cyclopts.Parameter(name="--json", negative="", help="one JSON document instead of tables")]
Flag = Annotated[bool, cyclopts.Parameter(negative="")]


def connect(data: Path) -> Any:  # noqa: ANN401 - imported late
    """Give a client of the control plane that runs with this data folder. Raises UnavailableError."""
    from blubees.main.operator_client import OperatorClient  # noqa: PLC0415 - as in main/cli.py

    return OperatorClient.from_folder(data)


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table as wide as the terminal; a run's id is never broken."""
    from rich.table import Table  # noqa: PLC0415 - slow to import

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "run")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_json(document: object) -> None:
    """Print a document as JSON for people and programs."""
    import msgspec  # noqa: PLC0415 - as in main/cli.py

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())  # noqa: T201 - a command's answer


def write_line(document: object) -> str:
    """Write a document as one line of JSON."""
    import msgspec  # noqa: PLC0415 - as in main/cli.py

    return msgspec.json.encode(document).decode()


def complain(sentence: str, problems: tuple[str, ...] = ()) -> None:
    """Say on standard error what is wrong, each problem on a line of its own."""
    for line in (sentence, *(f"  {problem}" for problem in problems)):
        sys.stderr.write(line + "\n")
