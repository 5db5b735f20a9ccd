"""PostgreSQL as a third party (port ProtocolClient): statements with parameters over TLS. Built by main/conduit.py.

libpq connects to addresses that were judged, never to a name of its own finding, and verifies the server's certificate for the
name. Reads run where nothing can be changed. A connection lives for one call: nothing of one tenant is left for another.
"""

import contextlib
import ssl
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
from psycopg import generators, pq, rows
from psycopg.types.json import Jsonb, set_json_loads

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.call import ProtocolCall, RefusedError, carry_out, read_call, refuse
from blubees.adapters.protocols.sql import Dialect, Found, Statement, write_statement
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

PORT: Final = 5_432
CONNECT_SECONDS: Final = 10
DIALECT: Final = Dialect(quote='"', numbered=True, schema="current_schema()", returns_rows=True)
_AUTHORITIES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_BY_CLASS: Final = {"28": 401, "08": 502, "40": 409, "53": 503, "23": 409, "57": 503, "3D": 404, "58": 500, "XX": 500}
_BY_STATE: Final = {"42501": 403, "42P01": 404, "42883": 404, "42703": 404, "57014": 504, "25006": 403}
_REFUSALS: Final = {
    "permission denied": "42501",
    "database ": "3D000",
    "too many": "53300",
    "remaining connection slots": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    "recovery mode": "57P03",
}


class _Cursor(psycopg.AsyncRawCursor[Any]):
    """Streams rows, and keeps how many a statement without rows has changed, which psycopg's own stream forgets."""

    changed = 0

    def _stream_fetchone_gen(self, first: bool) -> Any:  # noqa: ANN401 - as psycopg 3.2 and 3.3 have it
        found = yield from generators.fetch(self._pgconn)
        if found is None:
            return None
        if found.status == pq.ExecStatus.COMMAND_OK:
            self.changed = found.command_tuples or 0
            while found:
                found = yield from generators.fetch(self._pgconn)
            return None
        if found.status == pq.ExecStatus.TUPLES_OK:
            while found:
                found = yield from generators.fetch(self._pgconn)
            return None
        if found.status != pq.ExecStatus.SINGLE_TUPLE:
            return self._raise_for_result(found)
        self.pgresult = found
        self._tx.set_pgresult(found, set_loaders=first)
        if first:
            self._make_row = self._make_row_maker()
        return found


class PostgresqlClient:
    """Performs statements.

    Args:
        dialer: finds and judges addresses.
        authorities: a file of certificates that are trusted; empty: the system's.
    """

    def __init__(self, dialer: Dialer, authorities: str = "") -> None:
        self._dialer = dialer
        self._authorities = authorities or _find_authorities()

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        call = read_call(request, PORT)
        if isinstance(call, WebFailure):
            return call
        return await carry_out(call, self._perform(call), (OSError, psycopg.Error))

    async def close(self) -> None:
        """Nothing is kept."""

    async def _perform(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        statement = write_statement(call, DIALECT)
        connection = await self._connect(call)
        try:
            async with connection:
                await connection.set_read_only(statement.reads)
                return await _run(connection, statement, call.answer_limit_bytes)
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            raise RefusedError(_refuse(error.sqlstate, error.diag.message_primary or "")) from None
        finally:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def _connect(self, call: ProtocolCall) -> psycopg.AsyncConnection[Any]:
        """Connect: what fails here fails before anything was asked."""
        addresses = await self._dialer.find_addresses(call.origin)
        try:
            connection = await psycopg.AsyncConnection.connect(
                host=call.origin.host,
                hostaddr=",".join(dict.fromkeys(address[0] for *_, address in addresses)),
                port=call.origin.port,
                dbname=call.place[0],
                user=call.user_name,
                password=call.password,
                sslmode="verify-full",
                sslrootcert=self._authorities,
                sslcert="",
                sslkey="",
                passfile="/dev/null",
                gssencmode="disable",
                target_session_attrs="any",
                connect_timeout=CONNECT_SECONDS,
                application_name="BluBees",
                options=f"-c statement_timeout={int(call.timeout_seconds * 1_000)} -c client_encoding=UTF8",
                row_factory=rows.tuple_row,
            )
        except psycopg.Error as error:
            raise _read_connect_error(str(error)) from None
        set_json_loads(orjson.loads, connection)
        return connection


async def _run(connection: psycopg.AsyncConnection[Any], statement: Statement, limit_bytes: int) -> WebAnswer | WebFailure:
    """Perform a statement and read its rows as they come."""
    found = Found(statement, limit_bytes)
    async with _Cursor(connection) as cursor:
        values = [Jsonb(each) if isinstance(each, dict) else each for each in statement.values]
        coming: Any = cursor.stream(statement.text.encode(), values)
        async with contextlib.aclosing(coming) as stream:
            async for row in stream:
                if not found.take([column.name for column in cursor.description or ()], row):
                    break
        return found.tell(cursor.changed)


def _refuse(state: str, words: str) -> WebAnswer:
    return refuse(_BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or 400, state, words)


def _read_connect_error(words: str) -> RefusedError | CallFailedError:
    """Why there is no connection: libpq tells it in words only, the server's or its own. They go no further."""
    if "FATAL:" in words:
        return RefusedError(_refuse(next((state for text, state in _REFUSALS.items() if text in words), "28000"), ""))
    words = words.lower()
    if "ssl" in words or "certificate" in words:
        return CallFailedError(WebProblem.TLS)
    return CallFailedError(WebProblem.TIMEOUT if "timeout" in words else WebProblem.UNREACHABLE)


def _find_authorities() -> str:
    known = ssl.get_default_verify_paths().cafile
    found = [each for each in (known, *_AUTHORITIES) if each and Path(each).exists()]
    return found[0] if found else "system"
