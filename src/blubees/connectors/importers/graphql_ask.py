"""Asks a GraphQL server for its schema: the introspection query. Called by the import machinery; graphql.py reads the answer.

A server of some years ago does not know all that the query asks for today, and refuses it whole: then it is asked for less.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from graphql import get_introspection_query

from blubees.connectors.importers.limits import DOCUMENT_MAX_BYTES
from blubees.connectors.meanings import find_meaning, read_retry_after
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode

TIMEOUT_SECONDS: Final = 60.0
NO_SCHEMA: Final = "no_introspection"
_OK: Final = range(200, 300)
_REFUSED: Final = 400
QUERIES: Final = (
    get_introspection_query(specified_by_url=True, schema_description=True, input_value_deprecation=True, one_of=True),
    get_introspection_query(schema_description=True, input_value_deprecation=True),
    get_introspection_query(),
)
"""The fullest first."""

Send = Callable[[Call], Awaitable[CallAnswer | Failure]]


async def ask_schema(send: Send, url: str, connection: str = "") -> bytes | Failure:
    """Ask a server for its schema; gives the JSON answer.

    Args:
        send: makes a call through the guarded web client, with the credential of the connection that it names.
        connection: whose credential is used; empty for none.
    """
    refused = Failure(code=FailureCode.REQUEST_REFUSED, detail=NO_SCHEMA)
    for query in QUERIES:
        answer = await send(_write_call(url, connection, query))
        if isinstance(answer, Failure):
            return answer
        told = _read_object(answer)
        if isinstance(told.get("data"), dict) and isinstance(told["data"].get("__schema"), dict):
            return answer.body
        if answer.status not in _OK and (answer.status != _REFUSED or "errors" not in told):
            return Failure(
                code=find_meaning(answer.status, answer.headers),
                http_status=answer.status,
                retry_after_seconds=read_retry_after(answer.headers),
            )
        refused = Failure(code=FailureCode.REQUEST_REFUSED, http_status=answer.status, detail=NO_SCHEMA)
    return refused


def _write_call(url: str, connection: str, query: str) -> Call:
    return Call(
        method="POST",
        url=url,
        effect=Effect.READ,
        headers=(("Content-Type", "application/json"), ("Accept", "application/json")),
        body=orjson.dumps({"query": query, "operationName": "IntrospectionQuery"}),
        connection=connection,
        timeout_seconds=TIMEOUT_SECONDS,
        answer_limit_bytes=DOCUMENT_MAX_BYTES,
    )


def _read_object(answer: CallAnswer) -> dict[str, Any]:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
