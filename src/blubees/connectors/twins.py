"""What Python twins share: a hook performs plain actions of its own connector. Used by connectors/catalog/*.py."""

import functools
from collections.abc import Mapping
from typing import Any

from blubees.connectors.actions.perform import CallTools, Perform, compile_action
from blubees.connectors.catalogue import load_connector
from blubees.model.failures import Failure


async def perform_action(connector: str, action: str, given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Perform a plain action of the connector's file: with its errors, limits and pages. `given` has `connection`."""
    return await _compile(connector, action)(given, tools)


@functools.cache
def _compile(connector: str, action: str) -> Perform:
    found = load_connector(connector)
    if found is None:
        message = f"The catalogue has no connector {connector}."
        raise LookupError(message)
    return compile_action(found, action, {})
