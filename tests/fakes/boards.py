"""Boards that stay in memory (ports PlanBoard, SettingsBoard): each message follows a known one, as with the real broker."""

from collections.abc import Awaitable, Callable

from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, TenantId
from blubees.model.settings import TenantSettings


class FakeBoard:
    """Port PlanBoard. `meanwhile`: what others do, once, right before the next post, or else before it is next looked up."""

    def __init__(self) -> None:
        self.kept: dict[tuple[TenantId, FlowId], tuple[int, PublishedFlow | None]] = {}
        self.posted: list[PublishedFlow | None] = []
        self.past: list[PublishedFlow] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.is_at_post = True

    async def _let_others(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()

    async def find(self, tenant: TenantId, flow: FlowId) -> tuple[int, PublishedFlow | None]:
        if not self.is_at_post:
            await self._let_others()
        return self.kept.get((tenant, flow), (0, None))

    async def post(self, tenant: TenantId, flow: FlowId, plan: PublishedFlow | None, *, after: int) -> bool:
        if self.is_at_post:
            await self._let_others()
        if self.kept.get((tenant, flow), (0, None))[0] != after:
            return False
        self.posted.append(plan)
        self.kept[tenant, flow] = (len(self.posted), plan)
        return True

    async def post_past(self, plan: PublishedFlow) -> None:
        self.past.append(plan)

    async def watch_past(self, told: Callable[[PublishedFlow], None]) -> None:
        """Nobody asks."""

    async def watch(self, changed: Callable[[TenantId, FlowId, PublishedFlow | None], None]) -> None:
        """Nobody asks."""


class FakeSettingsBoard:
    """Port SettingsBoard; `meanwhile` as above."""

    def __init__(self) -> None:
        self.posted: list[TenantSettings] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def find(self, tenant: TenantId) -> int:
        return max((number for number, each in enumerate(self.posted, 1) if each.tenant == tenant), default=0)

    async def post(self, settings: TenantSettings, *, after: int) -> bool:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        if await self.find(TenantId(settings.tenant)) != after:
            return False
        self.posted.append(settings)
        return True

    async def watch(self, changed: Callable[[TenantSettings], None]) -> None:
        """Nobody asks."""
