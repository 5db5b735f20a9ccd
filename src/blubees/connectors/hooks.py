"""The functions that a Python twin may have, by the place that names them. Twins follow them; connectors/actions calls them.

A twin stands beside its file in connectors/catalog and is imported before a conduit locks itself. It does no I/O of its own:
what it needs is handed to it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from blubees.connectors.actions.perform import CallTools
from blubees.model.failures import Failure


class PerformHook(Protocol):
    """`request: {hook: NAME}`: makes the calls of an action itself. Coroutine function.

    Args:
        given: the inputs, converted to their forms, and `connection`; those that were left out are not in it.
        tools: `await tools.call(Call(…, connection=given["connection"]))` calls by HTTP with the connection's credential.

    Returns:
        What the action gives, or a Failure.
    """

    async def __call__(self, given: Mapping[str, Any], tools: CallTools) -> Any | Failure:  # noqa: ANN401 - JSON
        """Perform."""
        ...


class NextPageHook(Protocol):
    """`pages: {kind: hook, hook: NAME}`: tells how the next page is asked for."""

    def __call__(self, inputs: Mapping[str, Any], body: Any, headers: Mapping[str, str]) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
        """Give the inputs of the next page, made of those of this one, its body and its headers; None: it was the last."""
        ...


class VerifyEventHook(Protocol):
    """`verify_event`, for `hook: {scheme: hook}`: whether a delivery comes from whom it says."""

    def __call__(self, secret: str, headers: Mapping[str, str], body: bytes, now_seconds: int) -> bool:
        """Compare in constant time (hmac.compare_digest); refuse what is older than 300 s where the vendor tells the time."""
        ...
