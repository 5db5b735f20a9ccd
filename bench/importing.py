"""What an import of the largest document costs: time and peak memory of the process that reads it; a search among its actions.

Used by bench/bench.py. The document is made (bench/large_document.py), of the size and nature of the largest public one.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import orjson
import yaml

from blubees.adapters.database import open_database
from blubees.model.ids import TenantId
from blubees.operations.connector_search import CANDIDATES_MAX, put_in_order, read_question
from blubees.ports import ImportMade, ImportOrder
from large_document import make_document

TENANT = TenantId("t" + "0" * 24)
QUESTIONS = ("calendar event", "list users", "delete group member", "security alert", "workbook table")
ROUNDS = 5
SECONDS_ALLOWED, BYTES_ALLOWED = 60.0, 1.5 * 2**30
_READER = """
import re, resource, sys
from pathlib import Path
from blubees.main.import_worker import main
status = Path("/proc/self/status").open()  # before the lock; ru_maxrss knows the parent's, too
main()
used = resource.getrusage(resource.RUSAGE_SELF)
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]
sys.stderr.write(f"{used.ru_utime + used.ru_stime} {peak}")
"""


def try_import() -> dict[str, Any]:
    """Import it as JSON and as YAML, keep it, search it."""
    document = make_document()
    written = {"json": orjson.dumps(document)}
    dumped = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000, allow_unicode=True)
    written["yaml"] = dumped.encode()
    result: dict[str, Any] = {}
    made: ImportMade | None = None
    for form, content in written.items():
        start = time.perf_counter()
        answer, cpu_seconds, peak = _read(content)
        seconds = time.perf_counter() - start
        assert isinstance(answer, ImportMade)
        made = answer
        result[form] = {
            "megabytes": round(len(content) / 1e6, 1),
            "operations": len(answer.actions),
            "forms": len(answer.forms),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu_seconds, 1),
            "operations_a_cpu_second": round(len(answer.actions) / cpu_seconds),
            "peak_mebibytes": round(peak / 2**20),
            "is_within": cpu_seconds <= SECONDS_ALLOWED and peak <= BYTES_ALLOWED,
        }
    assert made is not None
    with tempfile.TemporaryDirectory() as folder:
        result["kept"] = asyncio.run(_keep(Path(folder), made))
        size = sum(each.stat().st_size for each in Path(folder).iterdir())
        result["kept"]["database_megabytes"] = round(size / 1e6, 1)
    return result


def _read(content: bytes) -> tuple[Any, float, int]:
    order = msgspec.msgpack.encode(ImportOrder(name="suite", document=content))
    done = subprocess.run([sys.executable, "-c", _READER], input=order, capture_output=True, check=True)
    cpu, peak = done.stderr.split()
    return msgspec.msgpack.decode(done.stdout, type=ImportMade), float(cpu), int(peak) * 1024


async def _keep(folder: Path, made: ImportMade) -> dict[str, Any]:
    database = await open_database(f"sqlite+aiosqlite:///{folder}/x.sqlite3")
    await database.prepare()
    store = database.connectors
    start = time.perf_counter()
    assert await store.replace(msgspec.structs.replace(made.row, tenant=TENANT), made.actions, made.forms, after=0)
    kept = time.perf_counter() - start
    times = []
    for question in QUESTIONS * ROUNDS:
        asked = read_question(question)
        start = time.perf_counter()
        found = put_in_order(await store.search(TENANT, "suite", asked, limit=CANDIDATES_MAX), asked)
        times.append(time.perf_counter() - start)
        assert found
    await database.close()
    times.sort()
    return {
        "seconds": round(kept, 2),
        "search_milliseconds_median": round(times[len(times) // 2] * 1_000, 1),
        "search_milliseconds_most": round(times[-1] * 1_000, 1),
    }


if __name__ == "__main__":
    print(orjson.dumps(try_import(), option=orjson.OPT_INDENT_2).decode())
