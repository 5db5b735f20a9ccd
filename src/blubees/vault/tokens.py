"""App tokens of Jira sites in a conduit's memory: the newest one of each tenant, shared sealed among conduits.

Forge sends a token with every invocation; it lives 4 hours and can't be asked for. Used by main/conduit.py.
"""

from typing import Final

import msgspec

from blubees.model.errors import TamperedError
from blubees.model.ids import TenantId
from blubees.vault.seal import Sealer

TOKEN_MAX_BYTES: Final = 8_192


class _Shared(msgspec.Struct, frozen=True, array_like=True):
    cloud_id: str
    token: str


class TokenShelf:
    """Holds the tokens. Nothing of it is ever printed."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._newest: dict[TenantId, _Shared] = {}
        self._decoder = msgspec.msgpack.Decoder(_Shared)

    def renew(self, tenant: TenantId, cloud_id: str, token: str) -> bytes | None:
        """Keep a token; gives what to share with the other conduits, or None when it is known already."""
        shared = _Shared(cloud_id, token)
        if self._newest.get(tenant) == shared:
            return None
        self._newest[tenant] = shared
        return self._sealer.seal(msgspec.msgpack.encode(shared), ("token", tenant))

    def share_all(self) -> list[tuple[TenantId, bytes]]:
        """What to share with the other conduits when the board is empty."""
        return [
            (tenant, self._sealer.seal(msgspec.msgpack.encode(shared), ("token", tenant)))
            for tenant, shared in self._newest.items()
        ]

    def learn(self, tenant: TenantId, sealed: bytes) -> None:
        """Keep what another conduit shared; what does not open is from before our key, and passed over."""
        try:
            self._newest[tenant] = self._decoder.decode(self._sealer.unseal(sealed, ("token", tenant)))
        except TamperedError:
            return

    def token(self, tenant: TenantId) -> str | None:
        """The newest token, or None before the site's first invocation."""
        shared = self._newest.get(tenant)
        return shared.token if shared else None

    def cloud_id(self, tenant: TenantId) -> str:
        """The site's cloudId, or empty before its first invocation."""
        shared = self._newest.get(tenant)
        return shared.cloud_id if shared else ""
