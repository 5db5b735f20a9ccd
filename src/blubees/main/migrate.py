"""`blubees migrate`: changes the schema of a PostgreSQL database, as its owner. Called by the CLI.

Run it before the processes of a new version start; those of the old one go on meanwhile.
"""

import asyncio
import os

from blubees.adapters.database import NEWEST_REVISION, migrate_postgresql
from blubees.model.errors import InputError


def migrate() -> str:
    """Migrate; gives the revision that is there now.

    Raises:
        InputError: an address is missing, or is none.
        UnavailableError: the database does not answer.
    """
    owner, service = os.environ.get("BLUBEES_DATABASE_OWNER_URL", ""), os.environ.get("BLUBEES_DATABASE_URL", "")
    if not owner or not service:
        raise InputError("Set BLUBEES_DATABASE_OWNER_URL (the tables' owner) and BLUBEES_DATABASE_URL (the service's role).")
    asyncio.run(migrate_postgresql(owner, service))
    return NEWEST_REVISION
