"""PostgreSQL as a third party (port ProtocolClient): statements with parameters over TLS. Built by main/conduit.py.

libpq connects to addresses that were judged, never to a name of its own finding, and verifies the server's certificate for the
name. Reads run where nothing can be changed. A connection lives for one call: nothing of one tenant is left for another.
"""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
from psycopg import errors, generators, pq, rows
from psycopg.types.json import Jsonb, set_json_loads

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.http_dialer import Dialer, RefusedAddressError
from blubees.adapters.protocols.call import BadArgumentError, ProtocolCall, answer, read_call, refuse, refuse_argument
from blubees.adapters.protocols.sql import ROWS_MAX, Dialect, Statement, read_row, write_statement
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


class _TooLargeError(Exception):
    """What a statement gives is more than may be held: what it changed is rolled back."""


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
        try:
            async with asyncio.timeout(call.timeout_seconds):
                return await self._perform(call)
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
        except psycopg.Error as error:
            return _read_error(error)

    async def close(self) -> None:
        """Nothing is kept."""

    async def _perform(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        statement = write_statement(call, DIALECT)
        addresses = await self._dialer.find_addresses(call.origin)
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
        set_json_loads(orjson.loads, connection)
        try:
            async with connection:
                await connection.set_read_only(statement.reads)
                return await _run(connection, statement, call.answer_limit_bytes)
        finally:
            with contextlib.suppress(psycopg.Error):
                await connection.close()


async def _run(connection: psycopg.AsyncConnection[Any], statement: Statement, limit_bytes: int) -> WebAnswer | WebFailure:
    """Perform a statement and read its rows as they come: more than may be given is never held."""
    found: list[dict[str, Any]] = []
    size, has_more = 0, False
    async with _Cursor(connection) as cursor:
        values = [Jsonb(each) if isinstance(each, dict) else each for each in statement.values]
        coming: Any = cursor.stream(statement.text.encode(), values)
        async with contextlib.aclosing(coming) as stream:
            async for row in stream:
                if len(found) >= statement.limit and statement.reads:
                    has_more = True
                    break
                found.append(read_row([column.name for column in cursor.description or ()], row))
                size += len(orjson.dumps(found[-1]))
                if size > limit_bytes or len(found) > ROWS_MAX:
                    raise _TooLargeError
        count = len(found) or cursor.changed
    return answer(200, {"rows": found, "count": count, "has_more": has_more}, limit_bytes)


def _read_error(error: psycopg.Error) -> WebAnswer | WebFailure:
    state = error.sqlstate or _read_refusal(error)
    if not state:
        return WebFailure(problem=_read_problem(error))
    status = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or 400
    return refuse(status, state, error.diag.message_primary or "")


def _read_refusal(error: psycopg.Error) -> str:
    """Give the state of a connection that the server refused: libpq tells it in the server's words only."""
    words = str(error)
    if "FATAL:" not in words:
        return ""
    found = (state for text, state in _REFUSALS.items() if text in words)
    return next(found, "28000")


def _read_problem(error: psycopg.Error) -> WebProblem:
    """What stopped a connection, or cut it off. libpq tells it in words only; they are read here and go no further."""
    words = str(error).lower()
    if "ssl" in words or "certificate" in words:
        return WebProblem.TLS
    if isinstance(error, errors.ConnectionTimeout) or "timeout" in words:
        return WebProblem.TIMEOUT
    if "server closed the connection" in words or "terminating connection" in words:
        return WebProblem.CUT_OFF
    return WebProblem.UNREACHABLE if isinstance(error, psycopg.OperationalError) else WebProblem.BROKEN_ANSWER


def _find_authorities() -> str:
    known = ssl.get_default_verify_paths().cafile
    found = [each for each in (known, *_AUTHORITIES) if each and Path(each).exists()]
    return found[0] if found else "system"
