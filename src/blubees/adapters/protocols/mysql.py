"""MySQL and MariaDB as third parties (port ProtocolClient): statements with parameters over TLS. Built by main/conduit.py.

The driver gets a socket that the guard has connected, and TLS is not left to the server's choice. Reads run in a transaction
that may change nothing. A connection lives for one call.
"""

import contextlib
import socket
import ssl
from typing import Any, Final

import orjson
import pymysql
import pymysql.cursors
from pymysql.constants import CLIENT, ER

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.http_dialer import RefusedAddressError
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.call import BadArgumentError, ProtocolCall, answer, read_call, refuse, refuse_argument
from blubees.adapters.protocols.sql import ROWS_MAX, Dialect, Statement, read_row, write_statement
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

PORT: Final = 3_306
DIALECT: Final = Dialect(quote="`", numbered=False, schema="DATABASE()", returns_rows=False)
_STATUS: Final = {
    ER.ACCESS_DENIED_ERROR: 401,
    ER.DBACCESS_DENIED_ERROR: 403,
    ER.TABLEACCESS_DENIED_ERROR: 403,
    ER.COLUMNACCESS_DENIED_ERROR: 403,
    ER.SPECIFIC_ACCESS_DENIED_ERROR: 403,
    ER.BAD_DB_ERROR: 404,
    ER.NO_SUCH_TABLE: 404,
    ER.BAD_FIELD_ERROR: 404,
    ER.SP_DOES_NOT_EXIST: 404,
    ER.DUP_ENTRY: 409,
    ER.LOCK_DEADLOCK: 409,
    ER.LOCK_WAIT_TIMEOUT: 409,
    ER.CON_COUNT_ERROR: 503,
    ER.TOO_MANY_USER_CONNECTIONS: 503,
    ER.SERVER_SHUTDOWN: 503,
    1792: 403,  # a change in a transaction that only reads
    3024: 504,  # MySQL: maximum statement execution time exceeded
    1969: 504,  # MariaDB: the same
}
_LOST: Final = frozenset({2006, 2013, 2014, 2055})
_NO_TLS: Final = 2_026


class _TooLargeError(Exception):
    """What a statement gives is more than may be held: what it changed is rolled back."""


class MysqlClient:
    """Performs statements."""

    def __init__(self, calls: BlockingCalls) -> None:
        self._calls = calls

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        call = read_call(request, PORT)
        if isinstance(call, WebFailure):
            return call
        try:
            statement = write_statement(call, DIALECT)
            tls = self._calls.dialer.tls.plain
            return await self._calls.perform(call, lambda connected: _perform(call, statement, connected, tls))
        except BadArgumentError as error:
            return refuse_argument(error)
        except TimeoutError:
            return WebFailure(problem=WebProblem.TIMEOUT)
        except RefusedAddressError as error:
            return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=error.row)
        except CallFailedError as error:
            return WebFailure(problem=error.problem)
        except _TooLargeError:
            return WebFailure(problem=WebProblem.TOO_LARGE)
        except pymysql.MySQLError as error:
            return _read_error(error)
        except ssl.SSLError:
            return WebFailure(problem=WebProblem.TLS)
        except OSError:
            return WebFailure(problem=WebProblem.CUT_OFF)

    async def close(self) -> None:
        """Nothing is kept but threads."""
        self._calls.close()


def _perform(call: ProtocolCall, statement: Statement, connected: socket.socket, tls: ssl.SSLContext) -> WebAnswer | WebFailure:
    connection = pymysql.connections.Connection(
        host=call.origin.host,
        port=call.origin.port,
        user=call.user_name,
        password=call.password,
        database=call.place[0],
        charset="utf8mb4",
        ssl=tls,
        local_infile=False,
        client_flag=CLIENT.FOUND_ROWS,
        read_timeout=call.timeout_seconds,
        write_timeout=call.timeout_seconds,
        cursorclass=pymysql.cursors.SSCursor,
        autocommit=False,
        defer_connect=True,
    )
    connection.connect(connected)
    try:
        with connection.cursor() as setting:
            setting.execute("START TRANSACTION READ ONLY" if statement.reads else "START TRANSACTION")
        found, changed, last_id, has_more = _run(connection, statement, call.answer_limit_bytes)
        if connection.open:
            connection.commit()
    finally:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            connection.close()
    given: dict[str, Any] = {"rows": found, "count": len(found) or changed, "has_more": has_more}
    return answer(200, given | ({"last_id": last_id} if last_id else {}), call.answer_limit_bytes)


def _run(connection: Any, statement: Statement, limit_bytes: int) -> tuple[list[dict[str, Any]], int, int, bool]:  # noqa: ANN401
    """Perform a statement and read its rows as they come: more than may be given is never held."""
    found: list[dict[str, Any]] = []
    size = 0
    cursor = connection.cursor()
    values = [orjson.dumps(each).decode() if isinstance(each, dict | list) else each for each in statement.values]
    cursor.execute(statement.text, values or None)
    columns = [column[0] for column in cursor.description or ()]
    while columns and (row := cursor.fetchone()) is not None:
        if len(found) >= statement.limit and statement.reads:
            _hang_up(connection)
            return found, 0, 0, True
        found.append(read_row(columns, row))
        size += len(orjson.dumps(found[-1]))
        if size > limit_bytes or len(found) > ROWS_MAX:
            _hang_up(connection)
            raise _TooLargeError
    return found, max(cursor.rowcount, 0) if not columns else 0, cursor.lastrowid or 0, False


def _hang_up(connection: Any) -> None:  # noqa: ANN401 - the driver's own class has these as its own
    """Close without reading all that is still to come, which the driver does otherwise, be it gigabytes."""
    connection._result.unbuffered_active = False  # noqa: SLF001
    connection._force_close()  # noqa: SLF001


def _read_error(error: pymysql.MySQLError) -> WebAnswer | WebFailure:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if code == _NO_TLS or isinstance(error.__cause__ or error.__context__, ssl.SSLError):
        return WebFailure(problem=WebProblem.TLS)
    if code in _LOST or 2_000 <= code < 2_100:  # noqa: PLR2004 - the client's own codes
        return WebFailure(problem=WebProblem.CUT_OFF)
    words = str(error.args[1]) if len(error.args) > 1 else ""
    return refuse(_STATUS.get(code, 400), str(code), words)
