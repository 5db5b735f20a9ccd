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
from pymysql.constants import CLIENT, CR, ER

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.call import ProtocolCall, RefusedError, TooLargeError, carry_out, read_call, refuse
from blubees.adapters.protocols.sql import Dialect, Found, Statement, write_statement
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
_OWN_CODES: Final = range(2_000, 2_100)  # the driver's: no answer of the server's


class MysqlClient:
    """Performs statements."""

    def __init__(self, calls: BlockingCalls) -> None:
        self._calls = calls

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        call = read_call(request, PORT)
        if isinstance(call, WebFailure):
            return call
        return await carry_out(call, self._perform(call), (OSError, pymysql.MySQLError))

    async def _perform(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        statement, tls = write_statement(call, DIALECT), self._calls.dialer.tls.plain
        return await self._calls.perform(call, lambda connected: _perform(call, statement, connected, tls))

    async def close(self) -> None:
        """Nothing is kept but threads."""
        self._calls.close()


def _perform(call: ProtocolCall, statement: Statement, connected: socket.socket, tls: ssl.SSLContext) -> WebAnswer | WebFailure:
    connection: Any = pymysql.connections.Connection(
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
    try:
        connection.connect(connected)
        return _run(connection, statement, call.answer_limit_bytes)
    except pymysql.MySQLError as error:
        if not connection._secure and _is_of_tls(error):  # noqa: SLF001 - TLS is not there yet: nothing was asked
            raise CallFailedError(WebProblem.TLS) from None
        code, words = (*error.args, 0, "")[:2]
        if not isinstance(code, int) or code in _OWN_CODES:
            raise
        raise RefusedError(refuse(_STATUS.get(code, 400), str(code), str(words))) from None
    finally:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            connection.close()


def _run(connection: Any, statement: Statement, limit_bytes: int) -> WebAnswer | WebFailure:  # noqa: ANN401 - the driver's
    """Perform a statement and read its rows as they come."""
    with connection.cursor() as setting:
        setting.execute("START TRANSACTION READ ONLY" if statement.reads else "START TRANSACTION")
    found, cursor = Found(statement, limit_bytes), connection.cursor()
    values = [orjson.dumps(each).decode() if isinstance(each, dict | list) else each for each in statement.values]
    cursor.execute(statement.text, values or None)
    columns = [column[0] for column in cursor.description or ()]
    try:
        while columns and (row := cursor.fetchone()) is not None:
            if not found.take(columns, row):
                _hang_up(connection)
                return found.tell(0)
    except TooLargeError:
        _hang_up(connection)
        raise
    changed, last_id = (0 if columns else max(cursor.rowcount, 0)), cursor.lastrowid
    connection.commit()
    return found.tell(changed, **({"last_id": last_id} if last_id else {}))


def _hang_up(connection: Any) -> None:  # noqa: ANN401 - the driver's own class has these as its own
    """Close without reading all that is still to come, which the driver does otherwise, be it gigabytes."""
    connection._result.unbuffered_active = False  # noqa: SLF001
    connection._force_close()  # noqa: SLF001


def _is_of_tls(error: pymysql.MySQLError) -> bool:
    return CR.CR_SSL_CONNECTION_ERROR in error.args or isinstance(error.__cause__ or error.__context__, ssl.SSLError)
