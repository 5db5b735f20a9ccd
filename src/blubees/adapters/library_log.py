"""What libraries log, told without a word of it. Installed by main's processes before anything else.

A library's message may hold what it works on: a statement's parameters, a header, a whole frame. So only where the line was
written is told, which a library's source answers for: logger, level, module, function, line, the class of an exception.
"""

import logging
from typing import Final

from blubees.ports import Events

LEVELS: Final = {"info": logging.WARNING, "debug": logging.DEBUG}


class LibraryLog(logging.Handler):
    """Makes an event `library_logged` of each record of Python's logging."""

    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Tell where a record was written. Its message is not even put together."""
        kind = record.exc_info[0] if record.exc_info else None
        self._events(
            "library_logged",
            logger=record.name,
            level=record.levelname,
            module=record.module,
            function=record.funcName or "",
            line=record.lineno,
            error=kind.__name__ if kind else "",
        )


def tell_library_logs(events: Events, level: str) -> None:
    """Have all libraries' records told as events, and as nothing else.

    Args:
        events: where to.
        level: `info`: warnings and errors; `debug`: all there are, statements of the database included.
    """
    root = logging.getLogger()
    root.handlers = [LibraryLog(events)]
    root.setLevel(LEVELS[level])
