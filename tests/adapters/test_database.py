"""The store ports on a real SQLite file and on a real PostgreSQL: every method sees its own tenant's rows only."""

import asyncio
import itertools
from pathlib import Path

import msgspec
import pytest

from blubees.adapters import database as database_room
from blubees.adapters.database import Database, open_database
from blubees.model.audit import AuditAction
from blubees.model.connection import Connection, ConnectionKind, SecretFact
from blubees.model.errors import ConflictError, UnavailableError
from blubees.model.flow import TriggerKind
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.receipt import LicenceState, RunAccepted, RunOutcome, RunReceipt, StepOutcome, StepReceipt, TenantSeen
from blubees.model.settings import Parking, Shapes, TenantSettings
from blubees.ports import DerivedKeyRow, FlowRow, KeyRow, RegistrationRow, SecretRow, VersionRow
from fakes.vault_rows import make_shredding

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
FLOW = FlowId("greet")
NAME = ConnectionName("mine")


def run(number: int, tenant: TenantId = A, **changes: object) -> RunReceipt:
    step = StepReceipt(step="s", kind="set", outcome=StepOutcome.DONE, offset_microseconds=0, duration_microseconds=5)
    receipt = RunReceipt(
        tenant=tenant,
        flow=FLOW,
        version=1,
        run=RunId(f"r{number:026d}"),
        trigger=TriggerKind.WEBHOOK,
        outcome=RunOutcome.FINISHED,
        accepted_at_milliseconds=1,
        started_at_milliseconds=2,
        duration_microseconds=3,
        payload_bytes=4,
        deliveries=1,
        steps=(step,),
    )
    return msgspec.structs.replace(receipt, **changes)


def version(number: int, tenant: TenantId = A) -> VersionRow:
    return VersionRow(tenant=tenant, flow=FLOW, version=number, text=f"v{number}", published_at_milliseconds=number)


async def test_flows_versions_and_hooks_belong_to_one_tenant(database: Database) -> None:
    flows = database.flows
    await flows.save_draft(FlowRow(tenant=A, flow=FLOW, name="Greet", draft="v1"))
    await flows.publish(version(1), hook_token_hash="h")
    await flows.publish(version(2), hook_token_hash="h")
    assert await flows.load(B, FLOW) is None
    assert list(await flows.list(B)) == []
    assert await flows.load_version(B, FLOW, 1) is None
    assert list(await flows.list_versions(B, FLOW)) == []
    await flows.make_live(B, FLOW, 1, 9)
    await flows.set_hook(B, FLOW, "stolen")
    head = await flows.load(A, FLOW)
    assert head is not None
    assert (head.live_version, head.newest_version, head.hook_token_hash) == (2, 2, "h")
    assert [each.version for each in await flows.list_versions(A, FLOW)] == [2, 1]
    await flows.save_draft(FlowRow(tenant=B, flow=FLOW, name="Other", draft="b"))
    changed = await flows.load(A, FLOW)
    assert changed is not None
    assert changed.name == "Greet"
    assert [(row.tenant, each.version) for row, each in await flows.list_live()] == [(A, 2)]


async def test_a_version_is_published_once_and_a_draft_changes_nothing_that_is_live(database: Database) -> None:
    flows = database.flows
    await flows.save_draft(FlowRow(tenant=A, flow=FLOW, name="Greet", draft="v1"))
    await flows.publish(version(1), hook_token_hash="")
    with pytest.raises(ConflictError):
        await flows.publish(msgspec.structs.replace(version(1), text="another"), hook_token_hash="x")
    await flows.save_draft(FlowRow(tenant=A, flow=FLOW, name="Greet 2", draft="v2"))
    head, kept = await flows.load(A, FLOW), await flows.load_version(A, FLOW, 1)
    assert head is not None
    assert kept is not None
    assert (head.draft, head.live_version, head.hook_token_hash, kept.text) == ("v2", 1, "", "v1")
    await flows.make_live(A, FLOW, 0, 5)
    assert list(await flows.list_live()) == []


async def test_connections_and_keys_belong_to_one_tenant(database: Database) -> None:
    store = database.connections
    connection = Connection(
        tenant=A,
        name=NAME,
        kind=ConnectionKind.BEARER,
        hosts=("a.example", "b.example"),
        settings={"site": "é"},
        version=5,
        fields=(SecretFact(field="more", version=5), SecretFact(field="token", version=5, fingerprint="f", last_four="wxyz")),
        fingerprint="f",
        created_at_milliseconds=1,
    )
    keys = database.keys
    sealed = {"token": b"\x00sealed", "more": b"1"}
    row = SecretRow(connection=connection, key_version=1, wrapped_key=b"\x00", sealed=sealed)
    with pytest.raises(ConflictError):  # there is no such key
        await store.save(row, after=0)
    assert await keys.add(KeyRow(tenant=A, version=1, wrapped=b"one"))
    assert await store.save(row, after=0)
    assert not await store.save(row, after=0)
    assert not await store.save(row, after=4)
    assert await store.load(B, NAME) is None
    assert list(await store.list(B)) == []
    assert await store.delete(B, NAME) is False
    kept = await store.load(A, NAME)
    assert kept is not None
    assert kept == row
    assert list(await store.list(A)) == [connection]
    fewer = msgspec.structs.replace(connection, version=6, fields=connection.fields[:1], fingerprint="")
    assert await store.save(msgspec.structs.replace(row, connection=fewer, sealed={"more": b"2"}), after=5)
    kept = await store.load(A, NAME)
    assert kept is not None
    assert (kept.connection, kept.sealed) == (fewer, {"more": b"2"})
    assert await store.delete(A, NAME) is True


async def test_a_tenants_keys_are_its_own_and_are_shredded_with_what_they_sealed(database: Database) -> None:
    keys = database.keys
    first, second = KeyRow(tenant=A, version=1, wrapped=b"one"), KeyRow(tenant=A, version=2, wrapped=b"two", minimum=1)
    assert await keys.add(first)
    assert not await keys.add(msgspec.structs.replace(first, wrapped=b"other"))
    assert await keys.add(second)
    assert list(await keys.load(A)) == [second, first]
    assert list(await keys.load(B)) == []
    derived = DerivedKeyRow(tenant=A, purpose="seen", key_version=2, wrapped=b"d")
    assert await keys.add_derived(derived)
    assert not await keys.add_derived(msgspec.structs.replace(derived, wrapped=b"e"))
    with pytest.raises(ConflictError):
        await keys.add_derived(msgspec.structs.replace(derived, purpose="other", key_version=3))
    assert await keys.load_derived(A, "seen") == derived
    assert await keys.load_derived(B, "seen") is None
    connection = Connection(tenant=A, name=NAME, kind=ConnectionKind.BEARER, version=1)
    await database.connections.save(SecretRow(connection=connection, key_version=1, wrapped_key=b"k", sealed={}), after=0)
    sealed = SecretRow(connection=connection, key_version=2, wrapped_key=b"k", sealed={})
    words = dict.fromkeys(("source", "action", "inputs", "connector"), "x")
    await database.registrations.save(
        RegistrationRow(tenant=A, flow=FLOW, connection="c", registered_at_milliseconds=1, **words)
    )
    assert await keys.shred(B, make_shredding(B)) is False
    assert [row.wrapped for row in await keys.load(A)] == [b"two", b"one"]
    assert await keys.shredded_at() == 0
    assert await keys.shred(A, make_shredding(A, 70)) is True
    assert [(row.version, row.wrapped) for row in await keys.load(A)] == [(3, b"")]
    assert await keys.load_derived(A, "seen") is None
    assert await database.connections.load(A, NAME) is None
    assert await database.registrations.load(A, FLOW) is None
    assert await keys.shred(A, make_shredding(A, 80)) is False
    assert await keys.shredded_at() == 70
    told = [await database.audit.list(tenant, connection="", before="", limit=9) for tenant in (A, B)]
    assert [[(each.action, each.at_milliseconds) for each in events] for events in told] == [
        [(AuditAction.TENANT_SHREDDED, 70)],
        [],
    ]
    with pytest.raises(ConflictError):  # by a control plane that has not heard yet
        await database.connections.save(sealed, after=0)


async def test_keys_from_before_a_goodbye_are_found_and_those_from_after_it_are_not(database: Database) -> None:
    def seen(tenant: TenantId, at: int, *, uninstalled: bool) -> TenantSeen:
        facts = {"environment_id": "e", "environment_type": "DEVELOPMENT", "cloud_id": "c", "installation_id": "i"}
        licence = LicenceState.ACTIVE
        return TenantSeen(tenant=tenant, **facts, licence=licence, seen_at_milliseconds=at, uninstalled=uninstalled)

    keys, tenants = database.keys, database.tenants
    for tenant in (A, B):
        await tenants.record(seen(tenant, 10, uninstalled=False))
        await keys.add(KeyRow(tenant=tenant, version=1, wrapped=b"one", created_at_milliseconds=100))
    assert list(await keys.list_gone()) == []
    await tenants.record(seen(A, 90, uninstalled=True))
    await tenants.leave(seen(A, 90, uninstalled=True), 100)  # the conduit's clock is behind ours
    assert list(await keys.list_gone()) == [A]
    await keys.shred(A, make_shredding(A, 101))
    assert list(await keys.list_gone()) == []
    await keys.add(KeyRow(tenant=A, version=3, wrapped=b"new", created_at_milliseconds=110))
    await tenants.leave(seen(A, 90, uninstalled=True), 500)  # told again, by a broker that was not heard
    assert list(await keys.list_gone()) == []
    await tenants.leave(seen(A, 120, uninstalled=True), 110)
    assert list(await keys.list_gone()) == [A]
    await tenants.record(seen(A, 130, uninstalled=False))  # here again, before the old ones could be destroyed
    assert list(await keys.list_gone()) == [A]


async def test_runs_belong_to_one_tenant_and_keep_their_first_receipt(database: Database) -> None:
    store = database.runs
    await store.record([run(number) for number in range(1, 4)] + [run(4, B)])
    await store.record([run(1, outcome=RunOutcome.FAILED, deliveries=3)])
    again = await store.load(A, RunId(f"r{1:026d}"))
    assert again is not None
    assert (again.outcome, again.deliveries, len(again.steps)) == (RunOutcome.FINISHED, 3, 1)
    assert await store.load(B, RunId(f"r{1:026d}")) is None
    listed = await store.list(A, flow=None, limit=2, before=None)
    assert [int(each.run[1:]) for each in listed] == [3, 2]
    assert all(each.steps == () for each in listed)
    assert [int(each.run[1:]) for each in await store.list(A, flow=FLOW, limit=9, before=RunId(listed[-1].run))] == [1]
    assert list(await store.list(A, flow=FlowId("other"), limit=9, before=None)) == []
    assert len(await store.list(None, flow=None, limit=9, before=None)) == 4


async def test_an_older_sight_of_a_tenant_never_overwrites_a_newer_one(database: Database) -> None:
    def seen(at: int, *, uninstalled: bool = False) -> TenantSeen:
        return TenantSeen(
            tenant=A,
            environment_id="e",
            environment_type="DEVELOPMENT",
            cloud_id="c",
            installation_id=str(at),
            licence=LicenceState.ACTIVE,
            seen_at_milliseconds=at,
            uninstalled=uninstalled,
        )

    await database.tenants.record(seen(10, uninstalled=True))
    await database.tenants.record(seen(5))
    kept = await database.tenants.load(A)
    assert kept is not None
    assert (kept.seen.uninstalled, kept.first_seen_at_milliseconds) == (True, 10)
    await database.tenants.record(seen(20))
    assert [each.seen.installation_id for each in await database.tenants.list()] == ["20"]
    assert await database.tenants.load(B) is None


async def test_what_straggles_in_after_a_goodbye_is_no_installation(database: Database) -> None:
    def seen(at: int, installation: str = "one", *, uninstalled: bool = False) -> TenantSeen:
        return TenantSeen(
            tenant=A,
            environment_id="e",
            environment_type="DEVELOPMENT",
            cloud_id="c",
            installation_id=installation,
            licence=LicenceState.ACTIVE,
            seen_at_milliseconds=at,
            uninstalled=uninstalled,
        )

    tenants = database.tenants

    async def is_gone() -> bool:
        kept = await tenants.load(A)
        assert kept is not None
        return kept.seen.uninstalled

    for start, is_first in ((1_000_000, True), (2_000_000, False)):  # in whatever order they come
        goodbye, straggler = seen(start, uninstalled=True), seen(start + 500)
        for each in (goodbye, straggler) if is_first else (straggler, goodbye):
            await tenants.record(each)
        await tenants.leave(goodbye, start + 600)
        await tenants.record(seen(start + 700))
        assert await is_gone()
        await tenants.record(seen(start + 60_500))
        assert not await is_gone()
        await tenants.leave(goodbye, start + 70_000)  # told again
        assert not await is_gone()
    goodbye = seen(3_000_000, uninstalled=True)
    await tenants.record(goodbye)
    await tenants.leave(goodbye, 3_000_100)
    await tenants.record(seen(3_000_500, "two"))  # another installation: it is back
    assert not await is_gone()


async def test_a_database_that_is_away_says_so_without_its_words(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite3'}")  # never migrated
    with pytest.raises(UnavailableError) as caught:
        await database.runs.record([run(1)])
    assert "no such table" not in str(caught.value)
    await database.close()


async def test_settings_are_the_tenants_own_and_the_newest_count(database: Database) -> None:
    assert await database.settings.load(A) is None
    await database.settings.save(TenantSettings(tenant=A, replay_hours=24))
    mine = TenantSettings(tenant=A, parking=Parking.REFUSE, replay_hours=0.5, shapes=Shapes.ALL, egress_deny=("a.b", "*.c"))
    await database.settings.save(mine)
    assert await database.settings.load(A) == mine
    assert await database.settings.load(B) is None
    assert list(await database.settings.list()) == [mine]


def accepted(number: int, tenant: TenantId = A, **changes: object) -> RunAccepted:
    known = RunAccepted(
        tenant=tenant,
        flow=FLOW,
        version=1,
        run=RunId(f"r{number:026d}"),
        trigger=TriggerKind.WEBHOOK,
        accepted_at_milliseconds=1,
        epoch=5,
    )
    return msgspec.structs.replace(known, **changes)


async def test_in_whatever_order_its_facts_come_a_run_ends_as_its_last_launch_did(database: Database) -> None:
    facts: list[RunAccepted | RunReceipt] = [
        accepted(1),
        run(1, outcome=RunOutcome.FAILED),
        accepted(1, epoch=6, relaunches=1),
        run(1, relaunches=1, deliveries=2),
    ]
    for number, order in enumerate(itertools.permutations(facts), 1):
        mine: list[RunAccepted | RunReceipt] = [msgspec.structs.replace(each, run=RunId(f"r{number:026d}")) for each in order]
        cut = number % 5  # some of them in one transaction
        for part in (mine[:cut], mine[cut:]):
            if part:
                await database.runs.record(part)
        found = await database.runs.load(A, RunId(f"r{number:026d}"))
        assert found is not None
        assert (found.outcome, found.relaunches, found.deliveries) == (RunOutcome.FINISHED, 1, 2)
        assert found.steps


async def test_a_run_under_way_is_listed_and_one_that_is_launched_again_is_under_way(database: Database) -> None:
    await database.runs.record([accepted(1), accepted(2), run(2, outcome=RunOutcome.FAILED)])
    await database.runs.record([accepted(1, version=9)])
    listed = await database.runs.list(A, flow=None, limit=10, before=None)
    assert [(each.outcome, each.version) for each in listed] == [(RunOutcome.FAILED, 1), (RunOutcome.ACCEPTED, 1)]
    await database.runs.record([accepted(2, relaunches=1)])
    found = await database.runs.load(A, RunId(f"r{2:026d}"))
    assert found is not None
    assert (found.outcome, found.started_at_milliseconds) == (RunOutcome.ACCEPTED, 0)
    assert await database.runs.load(B, RunId(f"r{2:026d}")) is None


async def test_a_run_that_starts_another_one_anew_is_found_from_both(database: Database) -> None:
    first = f"r{1:026d}"
    await database.runs.record([run(1, outcome=RunOutcome.FAILED), accepted(2, retry_of=first), run(2, retry_of=first), run(3)])
    await database.runs.record([accepted(4, retry_of=first)])
    await database.runs.record([run(5, B, retry_of=first)])
    found = await database.runs.list(A, flow=None, limit=9, before=None, retry_of=RunId(first))
    told = [(int(each.run[1:]), each.outcome, each.retry_of) for each in found]
    assert told == [(4, RunOutcome.ACCEPTED, first), (2, RunOutcome.FINISHED, first)]
    assert list(await database.runs.list(A, flow=None, limit=9, before=None, retry_of=RunId(f"r{2:026d}"))) == []


async def test_writers_of_a_file_take_turns_and_none_finds_it_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragmas = tuple(each for each in database_room._PRAGMAS if not each.startswith("busy_timeout"))
    monkeypatch.setattr(database_room, "_PRAGMAS", (*pragmas, "busy_timeout=0"))
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    try:
        await opened.prepare()
        await asyncio.gather(*(opened.runs.record([run(number)]) for number in range(100)))
        assert len(await opened.runs.list(A, flow=None, limit=200, before=None)) == 100
    finally:
        await opened.close()


async def test_keys_are_changed_row_by_row_and_stay_while_something_is_under_them(database: Database) -> None:
    keys, store = database.keys, database.connections
    for tenant in (A, B):
        assert await keys.add(KeyRow(tenant=tenant, version=1, wrapped=b"one", created_at_milliseconds=5))
        assert await keys.add_derived(DerivedKeyRow(tenant=tenant, purpose="seen", key_version=1, wrapped=b"d"))
        for name in ("a", "b"):
            connection = Connection(tenant=tenant, name=ConnectionName(name), kind=ConnectionKind.BEARER, version=1)
            assert await store.save(SecretRow(connection=connection, key_version=1, wrapped_key=b"k", sealed={}), after=0)
    assert await keys.add(KeyRow(tenant=A, version=2, wrapped=b"two"))
    assert await keys.rewrap(KeyRow(tenant=A, version=1, wrapped=b"anew", wrapped_at_milliseconds=9), b"one")
    assert not await keys.rewrap(KeyRow(tenant=A, version=1, wrapped=b"other"), b"one")
    assert sorted(await keys.list_wrapped()) == [b"anew", b"one", b"two"]
    assert await keys.list_tenants() == [A, B]
    assert not await keys.retire(A, 2)
    everything = {"key_below": 2, "before_milliseconds": 0, "limit": 9}
    assert list(await store.list_sealed(A, after="", **everything)) == ["a", "b"]
    assert list(await store.list_sealed(A, after="a", **everything)) == ["b"]
    assert list(await store.list_sealed(A, key_below=0, before_milliseconds=1, after="", limit=1)) == ["a"]
    for name in ("a", "b"):
        row = await store.load(A, ConnectionName(name))
        assert row is not None
        moved = msgspec.structs.replace(row, key_version=2, wrapped_key=b"K")
        assert await store.reseal(moved, row)
        assert not await store.reseal(moved, row)
        with pytest.raises(ConflictError):
            await store.reseal(msgspec.structs.replace(moved, key_version=3), moved)
    assert (await keys.describe(A)).under_older == 1
    (derived,) = await keys.list_derived(A, below=2)
    assert await keys.swap_derived(msgspec.structs.replace(derived, key_version=2, wrapped=b"D"), b"d")
    assert not await keys.swap_derived(derived, b"d")
    assert await keys.retire(A, 2)
    assert [(row.version, row.minimum) for row in await keys.load(A)] == [(2, 2)]
    assert [(row.version, row.minimum) for row in await keys.load(B)] == [(1, 0)]
