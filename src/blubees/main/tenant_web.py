"""The control plane's way out: the guarded web client, by whose calls each tenant's own rules of hosts hold.

Built by the files of main that build the control plane's parts. All that it asks of others for a tenant goes this way: tokens,
registrations, tests of connections, documents.
"""

from collections.abc import Awaitable, Callable

from blubees.adapters.web_client import GuardedWebClient
from blubees.adapters.web_stream import OpenAnswer
from blubees.main.settings import Settings
from blubees.model.ids import TenantId
from blubees.model.settings import SettingsShelf, TenantSettings
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebRequest

FindSettings = Callable[[TenantId], Awaitable[TenantSettings]]


class TenantWebClient(GuardedWebClient):
    """A guarded client that reads a tenant's rules anew for each call: nobody tells the control plane's calls of a change.

    Calls raise UnavailableError where the rules can't be read: nothing is called then.
    """

    def __init__(self, settings: Settings, find_settings: FindSettings) -> None:
        self._shelf, self._find_settings = SettingsShelf(), find_settings
        ports = frozenset(settings.allowed_loopback_ports)
        super().__init__(ports, extra_ca_file=settings.extra_ca_file or None, find_judge=self._shelf.find_judge)

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        await self._learn(request.tenant)
        return await super().call(request)

    async def open(self, request: WebRequest, body: SentBody | None = None) -> OpenAnswer | WebFailure:
        """See the port."""
        await self._learn(request.tenant)
        return await super().open(request, body)

    async def _learn(self, tenant: TenantId) -> None:
        if tenant:
            self._shelf.learn(await self._find_settings(tenant))
