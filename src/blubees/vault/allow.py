"""Whether a connection may be used for something: the one place that says so.

Asked when a flow is published (flows/connections.py) and whenever a lease is opened (vault/secrets.py).
"""

from typing import Final

from blubees.model.authorisation import KINDS
from blubees.model.connection import Connection, Purpose, Use, UseProblem

_OF_NO_FLOW: Final = frozenset({Purpose.TEST, Purpose.TAKE_BACK})  # a flow that may use it no more leaves nothing behind


def judge_use(connection: Connection | None, use: Use) -> UseProblem | None:
    """Say why a connection may not be used so; None: it may.

    Args:
        connection: None: there is none of that name in the tenant.
    """
    if connection is None:
        return UseProblem.MISSING
    if KINDS[connection.kind].is_outgoing is (use.purpose is Purpose.SIGNATURE):
        return UseProblem.KIND
    if connection.flows and use.flow not in connection.flows and use.purpose not in _OF_NO_FLOW:
        return UseProblem.FLOW
    if use.host and use.host not in {_name_host(host) for host in connection.hosts}:
        return UseProblem.HOST
    return None


def _name_host(host: str) -> str:
    """A host with its port, as calls name it: without the port that https has anyway."""
    return host.removesuffix(":443")
