"""The proof's part about the vault: keys of each level changed and killed at random rows, a tenant shredded, all searched.

A process (this file, with arguments) works on one database and key file, and kills itself by SIGKILL before or after the nth
write of a rotation; another goes on, until it is done. Before, between and after, every secret of every tenant opens. Then a
tenant is shredded: nothing of it opens, also not from a copy of the database from before with the key file as it is now.
Defects are planted in the code, and each must be found. Used by bench/proof.py.
"""

import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from blubees.adapters.database import Database, open_database  # noqa: E402 - after the path is set
from blubees.adapters.keys import LocalKeyProvider  # noqa: E402 - see above
from blubees.adapters.machine import SystemChance, SystemClock  # noqa: E402 - see above
from blubees.model.connection import ConnectionKind, Lease  # noqa: E402 - see above
from blubees.model.errors import BluBeesError  # noqa: E402 - see above
from blubees.model.ids import ConnectionName, RunId, TenantId  # noqa: E402 - see above
from blubees.model.vault import Level  # noqa: E402 - see above
from blubees.vault import envelope, seal  # noqa: E402 - see above
from blubees.vault.keyring import Keyring  # noqa: E402 - see above
from blubees.vault.rotation import Rotation  # noqa: E402 - see above
from blubees.vault.run_keys import RunKeys  # noqa: E402 - see above
from blubees.vault.secrets import VaultService  # noqa: E402 - see above
from fakes.vault_rows import make_parked_row, make_shredding  # noqa: E402 - see above
from progress import say  # noqa: E402 - beside this file
from proof_disk import Result, make_disk, make_folder, read_written  # noqa: E402 - beside this file
from proof_scan import Canaries, list_forms, say_found, scan  # noqa: E402 - beside this file

TENANTS = [TenantId("t" + letter * 24) for letter in "abc"]
CONNECTIONS, RUNS = 6, 4
ROUNDS = 8  # of each level
IMAGE_MEBIBYTES = 32
WRITES = {"reseal", "rewrap", "retire", "swap_derived", "swap_run_key", "add", "save"}
HOST = "api.example.com"


class Dying:
    """A store in whose nth write the process is killed: before it, or right after."""

    def __init__(self, store: Any, plan: "Plan") -> None:
        self._store, self._plan = store, plan

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._store, name)
        if name not in WRITES:
            return call  # type: ignore[no-any-return]

        async def write(*given: object, **named: object) -> object:
            self._plan.writes += 1
            if self._plan.writes == self._plan.dies_at and not self._plan.is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            done = await call(*given, **named)
            if self._plan.writes == self._plan.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return write


class Plan:
    """When to die; 0: never."""

    def __init__(self, dies_at: int = 0, *, is_after: bool = False) -> None:
        self.writes, self.dies_at, self.is_after = 0, dies_at, is_after


class Vault:
    """A control plane's vault on a folder."""

    def __init__(self, database: Database, folder: Path, plan: Plan) -> None:
        self.database, clock, chance = database, SystemClock(), SystemChance()
        self.provider = LocalKeyProvider(folder / "local.key")
        keys, connections = Dying(database.keys, plan), Dying(database.connections, plan)
        self.keyring = Keyring(keys, self.provider, chance, clock)
        self.vault = VaultService(connections, self.keyring, clock, chance)
        self.runs = RunKeys(self.keyring, chance)
        self.rotation = Rotation(keys, connections, self.keyring, self.provider, self.vault, chance, clock)
        self.now = clock.now_milliseconds

    async def fill(self, secrets: list[str]) -> None:
        """Keep secrets of every tenant, and keys of parked runs."""
        for tenant in TENANTS:
            for number in range(CONNECTIONS):
                await self.vault.save(
                    tenant,
                    name=f"c{number}",
                    kind=ConnectionKind.BASIC,
                    hosts=(HOST,),
                    user_name="me",
                    secret=secrets[TENANTS.index(tenant) * CONNECTIONS + number],
                )
            for number in range(RUNS):
                run = RunId(f"r{number:026d}")
                version, sealed = await self.runs.make(tenant, run)
                await self.database.parked.open(make_parked_row(tenant, run, (version, sealed)))

    async def rotate(self, level: Level, before: int) -> None:
        """Change the keys of every tenant, to the end."""
        for tenant in await self.database.keys.list_tenants():
            after = "begin"
            while after:
                step = await self.rotation.step(tenant, level, before, "" if after == "begin" else after, limit=3)
                if step.stuck:
                    raise AssertionError(f"{tenant}: {step.stuck} does not open")
                after = step.after
        if level is Level.KMS:
            await self.provider.retire(await self.database.keys.list_wrapped())

    async def open_all(self, tenants: list[TenantId]) -> dict[str, str]:
        """Open all that there is of these tenants; a digest of each. What does not open is left out."""
        found: dict[str, str] = {}
        for tenant in tenants:
            for number in range(CONNECTIONS):
                with suppress(BluBeesError):
                    lease = await self.vault.open_lease(tenant, ConnectionName(f"c{number}"))
                    if isinstance(lease, Lease):
                        found[f"{tenant}/c{number}"] = hashlib.sha256(lease.secret.encode()).hexdigest()
            for number in range(RUNS):
                with suppress(BluBeesError):
                    row = await self.database.parked.load(tenant, RunId(f"r{number:026d}"))
                    if row is not None and row.sealed_key:
                        key = await self.runs.open(tenant, row.run, row.key_version, row.sealed_key)
                        found[f"{tenant}/{row.run}"] = hashlib.sha256(key).hexdigest()
            with suppress(BluBeesError):
                if any(row.wrapped for row in await self.database.keys.load(tenant)):
                    key = await self.keyring.derive(tenant, "fingerprint")
                    found[f"{tenant}/derived"] = hashlib.sha256(key).hexdigest()
        return found


async def work(folder: Path, what: str, given: dict[str, Any]) -> Any:
    """Do one thing in this process, and tell what came of it."""
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'blubees.sqlite3'}")
    await database.prepare()
    vault = Vault(database, folder, Plan(given.get("dies_at", 0), is_after=given.get("is_after", False)))
    found: Any = None
    if what == "fill":
        await vault.fill(given["secrets"])
    elif what == "renew":
        await vault.provider.renew()
    elif what == "rotate":
        await vault.rotate(Level(given["level"]), given["before"])
    elif what == "open":
        found = {"opened": await vault.open_all(TENANTS), "left": await tell_left(vault)}
    elif what == "shred":
        vault.keyring.database_of_this_proof = database  # type: ignore[attr-defined]
        await vault.keyring.shred(TENANTS[0], make_shredding(TENANTS[0], vault.now()))
        await vault.provider.renew()
        await vault.rotate(Level.KMS, vault.now() + 1)
    elif what == "swap":
        found = await swap_fields(vault)
    await database.close()
    return found


async def tell_left(vault: Vault) -> dict[str, int]:
    """Tell what is left under older keys, and how many keys there are."""
    rows = [await vault.database.keys.describe(tenant) for tenant in TENANTS]
    connections = [each for tenant in TENANTS for each in await vault.database.connections.list(tenant)]
    live = [sum(1 for key in row.versions if key.wrapped) for row in rows]
    return {
        "under_older": sum(row.under_older for row in rows),
        "versions": max(live),
        "of_the_first": live[0],
        "oldest": min((each.sealed_at_milliseconds for each in connections), default=0),
        "keys": (await vault.provider.describe()).keys,
    }


async def swap_fields(vault: Vault) -> int:
    """Put sealed fields of one version in each other's place, under the same key: how many opened, which must be none."""
    opened = 0
    row = await vault.database.connections.load(TENANTS[1], ConnectionName("c0"))
    if row is None:
        return -1
    version, key = await vault.keyring.load(TENANTS[1])
    chance, tenant_key = SystemChance(), envelope.TenantKey(version=version, key=key)
    own, _ = envelope.open_row(row, tenant_key, chance)
    for other in ("password", "another"):
        fact = row.connection.fields[0]
        wrong = type(fact)(field=other, version=fact.version + (other == "password"))
        bound = envelope._bind_field(row.connection, wrong)  # noqa: SLF001 - what another place would be bound to
        sealed = seal.seal_committed(own, b"moved", bound, chance)
        moved = type(row)(
            connection=row.connection, key_version=row.key_version, wrapped_key=row.wrapped_key, sealed={"password": sealed}
        )
        with suppress(BluBeesError):
            envelope.open_row(moved, tenant_key, chance)
            opened += 1
    return opened


# ---------------------------------------------------------------- planted defects


def skip_a_row() -> None:
    """A rotation that leaves every second connection as it is, and says that it is done."""
    move = Rotation._move_connection  # noqa: SLF001 - a planted defect
    count = [0]

    async def skip(rotation: Rotation, row: Any, newest: Any, *, is_resealed: bool) -> bool:
        count[0] += 1
        return count[0] % 2 == 0 or await move(rotation, row, newest, is_resealed=is_resealed)

    Rotation._move_connection = skip  # type: ignore[method-assign,assignment]  # noqa: SLF001 - see above


def leave_a_wrapped_key() -> None:
    """A shred that deletes connections and the keys of runs, and forgets the tenant's own."""

    async def forget(ring: Keyring, tenant: TenantId, _event: Any) -> bool:
        database = ring.database_of_this_proof  # type: ignore[attr-defined]
        for connection in await database.connections.list(tenant):
            await database.connections.delete(tenant, connection.name)
        for number in range(RUNS):
            await database.parked.forget(tenant, RunId(f"r{number:026d}"))
        return True

    Keyring.shred = forget  # type: ignore[method-assign,assignment]


def bind_nothing() -> None:
    """Seals without associated data."""
    seal.bind = lambda _associated: b""  # type: ignore[assignment]


def write_in_clear() -> None:
    """A rotation that leaves a secret in a file beside the database."""
    reseal = envelope.reseal_row

    def leak(row: Any, secrets: Any, key: Any, chance: Any, *, now: int) -> Any:
        Path(os.environ["PROOF_VAULT_LEAK"]).write_text(json.dumps(dict(secrets)))
        return reseal(row, secrets, key, chance, now=now)

    import blubees.vault.rotation as rotation  # noqa: PLC0415, PLR0402 - to be changed here only

    rotation.reseal_row = leak  # type: ignore[attr-defined]


DEFECTS: dict[str, Callable[[], None]] = {
    "a rotation that skips a row": skip_a_row,
    "a shred that leaves wrapped keys": leave_a_wrapped_key,
    "a seal without associated data": bind_nothing,
    "a rotation that writes a secret in clear": write_in_clear,
}


# ---------------------------------------------------------------- the campaign


def ask(folder: Path, what: str, defect: str = "", **given: Any) -> tuple[int, Any]:
    """Have another process do something; gives its exit code (-9: it was killed) and what it told."""
    environment = os.environ | {"PROOF_VAULT_LEAK": str(folder / "notes.json")}
    words = [sys.executable, __file__, str(folder), what, defect]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in {0, -signal.SIGKILL}:
        return done.returncode, done.stderr[-400:]
    return done.returncode, json.loads(done.stdout or "null")


class Campaign:
    """Rotates, kills, goes on, shreds; notes what is wrong."""

    def __init__(self, folder: Path, defect: str, chance: random.Random) -> None:
        self.folder, self.defect, self._chance = folder, defect, chance
        self.wrong: list[str] = []
        self.kills = self.opened = 0
        self.left: dict[str, int] = {}
        self.canaries = Canaries()

    def run(self, rounds: int) -> None:
        """Do all of it."""
        secrets = [self.canaries.plant(f"secret {number}") for number in range(len(TENANTS) * CONNECTIONS)]
        ask(self.folder, "fill", self.defect, secrets=secrets)
        self.first = self._open("filled")
        if len(self.first) != len(TENANTS) * (CONNECTIONS + RUNS + 1):
            self.wrong.append(f"{len(self.first)} opened at first")
        for level in Level:
            say(f"keys of the level {level.value} are changed {rounds} times{self.defect and ': ' + self.defect}")
            for number in range(rounds):
                self._rotate(level, f"{level.value} {number}")
        code, swapped = ask(self.folder, "swap", self.defect)
        if code or swapped:
            self.wrong.append("a field in another place opens")
        self._shred()

    def _open(self, when: str) -> dict[str, str]:
        code, found = ask(self.folder, "open", self.defect)
        if code:
            self.wrong.append(f"{when}: {found}")
            return {}
        self.opened += len(found["opened"])
        self.left = found["left"]
        return dict(found["opened"])

    def _rotate(self, level: Level, name: str) -> None:
        if level is Level.KMS:
            ask(self.folder, "renew", self.defect)
        before = SystemClock().now_milliseconds()
        dies_at, is_after = self._chance.randint(1, 24), self._chance.random() < 0.5
        code, told = ask(
            self.folder, "rotate", self.defect, level=level.value, before=before, dies_at=dies_at, is_after=is_after
        )
        self.kills += code == -signal.SIGKILL
        if code not in {0, -signal.SIGKILL}:
            self.wrong.append(f"{name}: {told}")
        if self._open(f"{name}, killed") != self.first:
            self.wrong.append(f"{name}: after a kill not all opens")
        code, told = ask(self.folder, "rotate", self.defect, level=level.value, before=before)
        if code:
            self.wrong.append(f"{name}, gone on with: {told}")
        if self._open(f"{name}, done") != self.first:
            self.wrong.append(f"{name}: when done not all opens")
        left = self.left
        is_old = level is Level.SECRET and left["oldest"] < before
        is_old = is_old or (level is Level.TENANT and (left["under_older"] > 0 or left["versions"] > 1))
        if is_old or (level is Level.KMS and left["keys"] > 1):
            self.wrong.append(f"{name}: something is left under an older key")

    def _shred(self) -> None:
        copy = self.folder / "copy"
        copy.mkdir()
        for file in self.folder.glob("blubees.sqlite3*"):
            shutil.copy(file, copy)
        ask(self.folder, "shred", self.defect)
        shutil.copy(self.folder / "local.key", copy)
        others = {name: digest for name, digest in self.first.items() if not name.startswith(TENANTS[0])}
        if self._open("shredded") != others:
            self.wrong.append("after shredding, not just the others open")
        if self.left["of_the_first"]:
            self.wrong.append("after shredding, a wrapped key is left")
        _, found = ask(copy, "open", self.defect)
        if any(name.startswith(TENANTS[0]) for name in (found or {}).get("opened", {})):
            self.wrong.append("a copy of the database from before opens with the key file after")
        shutil.rmtree(copy)


def prove_vault() -> Result:
    """Run it, and with each defect."""
    chance = random.Random(int(os.environ.get("PROOF_SEED", "0")) or None)
    with make_folder() as folder, make_disk(folder, IMAGE_MEBIBYTES) as (disk, image):
        campaign = Campaign(disk, "", chance)
        campaign.run(ROUNDS)
        found = scan(read_written(image, disk), campaign.canaries.made)
    missed = []
    for name in DEFECTS:
        with make_folder() as folder, make_disk(folder, IMAGE_MEBIBYTES) as (disk, image):
            planted = Campaign(disk, name, chance)
            planted.run(1)
            if not planted.wrong and not scan(read_written(image, disk), planted.canaries.made):
                missed.append(name)
    good = not campaign.wrong and not found and not missed and campaign.kills > 0
    count = f"{len(DEFECTS) - len(missed)} of {len(DEFECTS)}"
    count_planted, forms = len(campaign.canaries.made), len(list_forms("a"))
    rows = [
        ("vault: rotations of the levels kms, tenant and secret", f"{3 * ROUNDS}, {campaign.kills} of them killed by SIGKILL"),
        ("vault: openings, after kills and when done", f"{campaign.opened:,}, each as it was at first"),
        ("vault: a tenant shredded", "opens nowhere, nor from a copy of the database from before; the others do"),
        ("vault: secrets found in what was written", f"{say_found(found)} of {count_planted}, in {forms} forms"),
        ("vault: planted defects found", f"{count}: {'; '.join(DEFECTS)}" + (f"; MISSED: {missed}" if missed else "")),
    ]
    if campaign.wrong:
        rows.append(("vault: WRONG", "; ".join(campaign.wrong[:5])))
    return Result(rows, good)


def main() -> int:
    """Do one thing in a process of its own: FOLDER WHAT DEFECT, the rest on standard input."""
    folder, what, defect = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if defect:
        DEFECTS[defect]()
    found = asyncio.run(work(folder, what, json.loads(sys.stdin.read())))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
