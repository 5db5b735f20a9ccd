"""Tests a connection: performs the action by which its connector says that connections are tried. Called by the operator API.

What comes back is looked at for its meaning only: nothing of it is told or kept.
"""

import msgspec

from blubees.connectors.actions.perform import CONNECTION
from blubees.model.authorisation import CONNECTOR
from blubees.model.connection import Connection, Purpose, Use
from blubees.model.errors import InputError, MissingError
from blubees.model.failures import Failure, explain_failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.operations.vendor_calls import VendorCalls
from blubees.ports import ConnectorShelf
from blubees.vault.secrets import VaultService


class ConnectionTested(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a test came to. Without a failure the connection works; `what` and `what_to_do` explain a failure."""

    connection: str
    connector: str
    action: str
    failure: Failure | None = None
    what: str = ""
    what_to_do: str = ""


class ConnectionTests:
    """Tests connections."""

    def __init__(self, vault: VaultService, shelf: ConnectorShelf, calls: VendorCalls) -> None:
        self._vault, self._shelf, self._calls = vault, shelf, calls

    async def test(self, tenant: TenantId, name: ConnectionName, connector: str = "") -> ConnectionTested:
        """Test one.

        Args:
            connector: which connector it is for; empty: the one that it names itself (`--setting connector=…`).

        Raises:
            MissingError: there is no such connection, or connector. InputError: it names none, or can't be tested.
        """
        found = await self._find(tenant, name)
        chosen = connector or found.settings.get(CONNECTOR, "")
        if not chosen:
            raise InputError("The connection does not say which connector it is for. Name it: --connector slack.")
        head = await self._shelf.find(tenant, chosen)
        if head is None:
            raise MissingError(f"There is no connector {chosen[:63]}. docs/connectors.md lists the catalogue's.")
        if head.trial is None:
            raise InputError(f"The connector {head.name} has no way to test a connection.")
        whole = await self._shelf.find(tenant, chosen, actions=[head.trial.action])
        if whole is None or head.trial.action not in whole.actions:
            raise MissingError(f"The connector {head.name} has no action {head.trial.action} any more.")
        given = {**head.trial.inputs, CONNECTION: name}
        outcome = await self._calls.perform(tenant, whole, head.trial.action, given, Use(purpose=Purpose.TEST))
        if not isinstance(outcome, Failure):
            return ConnectionTested(connection=name, connector=head.name, action=head.trial.action)
        what, what_to_do = explain_failure(outcome)
        return ConnectionTested(
            connection=name,
            connector=head.name,
            action=head.trial.action,
            failure=outcome,
            what=what,
            what_to_do=what_to_do,
        )

    async def _find(self, tenant: TenantId, name: ConnectionName) -> Connection:
        for each in await self._vault.list(tenant):
            if each.name == name:
                return each
        raise MissingError("There is no such connection. `connection list` shows the names.")
