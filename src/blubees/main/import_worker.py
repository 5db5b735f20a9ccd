"""The process in which a stranger's document is read: locked away from everything, with bounds on time and memory.

Started by main/import_bench.py as `python -m blubees.main.import_worker`: an ImportOrder in, its answer out, as MessagePack.
After its imports it opens no file, no socket and no program (docs/decisions/0043): what is needed later is imported here.
"""

import gc
import os
import resource
import sys
from typing import Final

import msgspec

from blubees.adapters.denied_calls import REACHES_OUT
from blubees.adapters.lockdown import LockdownError, lock_process
from blubees.connectors.differences import compare_connectors
from blubees.connectors.importers.book import Told, import_document
from blubees.connectors.importers.limits import MEMORY_BYTES, SECONDS
from blubees.connectors.importers.openapi.refs import NeedsFilesError
from blubees.connectors.packing import pack_connector, unpack_connector
from blubees.main.import_bench import NOT_LOCKED
from blubees.model.errors import InputError
from blubees.model.ids import TenantId
from blubees.ports import ImportMade, ImportNeeds, ImportOrder, ImportRefusal

ADDRESS_SPACE: Final = MEMORY_BYTES + 536_870_912  # of what is reserved a part is never touched
TOO_LARGE: Final = "The document needs more memory than an import may take. Import a part of it."


def make(order: ImportOrder) -> ImportMade | ImportNeeds | ImportRefusal:
    """Carry out an order."""
    earlier = unpack_connector(*order.earlier) if order.earlier is not None else None
    try:
        imported = import_document(
            order.document,
            order.name,
            url=order.url,
            files=order.files,
            base_url=order.base_url,
            title=order.title,
            told=Told(order.sort, order.is_open, order.trusts_hints, order.auth),
            earlier=earlier,
        )
    except NeedsFilesError as error:
        return ImportNeeds(urls=error.urls)
    except InputError as error:
        return ImportRefusal(sentence=error.for_user)
    except (MemoryError, RecursionError):
        return ImportRefusal(sentence=TOO_LARGE)
    row, actions, forms = pack_connector(imported.connector, TenantId(""), "")
    changes = compare_connectors(earlier, imported.connector) if earlier is not None else ()
    return ImportMade(row=row, actions=actions, forms=forms, notes=imported.notes, left_out=imported.left_out, changes=changes)


def main() -> int:
    """Read an order from standard input, and write the answer."""
    seconds = round(SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        lock_process(require=os.environ.get("BLUBEES_REQUIRE_LOCKDOWN", "") == "1", also=REACHES_OUT)
    except LockdownError:
        return NOT_LOCKED
    gc.disable()  # millions of values that stay until the end: a collection finds nothing
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ImportOrder)
    sys.stdout.buffer.write(msgspec.msgpack.encode(make(order)))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
