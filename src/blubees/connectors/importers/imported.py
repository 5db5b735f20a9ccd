"""What an importer gives. Made by the importers; used by operations/connectors."""

import msgspec

from blubees.model.connector import Connector


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A connector made of a document.

    Attributes:
        notes: what was left out or changed, a sentence each, for whoever imports.
        left_out: how many operations could not be taken over.
    """

    connector: Connector
    notes: tuple[str, ...] = ()
    left_out: int = 0
