"""Keeps the table of schedules in step with which flow versions are live. Called by flows/versions.py."""

import hashlib

import msgspec

from blubees.flows.timing import find_next, read_timing
from blubees.model.flow import Flow, Trigger
from blubees.model.ids import FlowId, TenantId
from blubees.ports import Clock, ScheduleRow, ScheduleStore


class Timetable:
    """Puts live flows' schedules and polls into the table, and takes them out."""

    def __init__(self, store: ScheduleStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def arrange(self, tenant: TenantId, flow: Flow, version: int) -> None:
        """A version is live: its schedule counts from now on, or it has none.

        What stays the same goes on: an interval keeps its phase, a poll of the same source its cursor. A tick that is under
        way is fired again for the new version; what it started already is known by its delivery id.
        """
        timing = read_timing(flow.trigger)
        if timing is None:
            await self._store.remove(tenant, flow.id)
            return
        before, source = await self._store.load(tenant, flow.id), _name_source(flow.trigger)
        now = self._clock.now_milliseconds()
        if before is not None and (before.version, before.timing, before.source) == (version, timing, source):
            return
        row = ScheduleRow(
            tenant=tenant,
            flow=flow.id,
            version=version,
            timing=timing,
            source=source,
            anchor_milliseconds=now,
            next_due_milliseconds=now if timing.is_poll else find_next(timing, now, now),
        )
        if before is not None and before.timing == timing:
            row = msgspec.structs.replace(
                row,
                anchor_milliseconds=before.anchor_milliseconds,
                next_due_milliseconds=before.claimed_due_milliseconds or before.next_due_milliseconds,
            )
        if before is not None and before.source == source:
            row = msgspec.structs.replace(row, cursor=before.cursor, last_due_milliseconds=before.last_due_milliseconds)
        await self._store.put(row)

    async def forget(self, tenant: TenantId, flow: FlowId) -> None:
        """No version is live."""
        await self._store.remove(tenant, flow)


def _name_source(trigger: Trigger) -> str:
    """Name what a poll asks: another question starts without the old one's cursor. The first poll's manner is no part of it."""
    if trigger.poll is None:
        return ""
    poll = {name: value for name, value in msgspec.structs.asdict(trigger.poll).items() if name != "start"}
    if trigger.connector:
        poll |= {"connector": trigger.connector, "connection": trigger.connection, "inputs": trigger.inputs}
    return hashlib.sha256(msgspec.json.encode(poll, order="deterministic")).hexdigest()
