"""AWS KMS as key provider: by a stand-in with AWS's own key states, and by moto."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from moto import mock_aws

from blubees.adapters.database import open_database
from blubees.adapters.kms import AwsKeyProvider
from blubees.main.settings import ProcessStart, Settings
from blubees.main.supervisor import Child, choose_environment
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.errors import InputError, KeyDisabledError, TamperedError, UnavailableError
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.vault import Level
from blubees.vault.keyring import GRACE_SECONDS, OPEN_AGAIN_SECONDS, Keyring
from blubees.vault.rotation import Rotation
from blubees.vault.secrets import VaultService
from fakes.kms import Kms, Refusal, run_kms
from fakes.machine import FakeChance, FakeClock
from fakes.vault_rows import make_shredding

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
CONTEXT = {"tenant": A, "purpose": "tenant-key", "version": "1"}
KEY = b"k" * 32
ALIAS = "alias/blubees"


@pytest.fixture(autouse=True)
def aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An account that does not exist, and no other way to one."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.fixture
async def kms() -> AsyncIterator[Kms]:
    async with run_kms() as running:
        yield running


def provide(kms: Kms, *keys: str) -> AwsKeyProvider:
    return AwsKeyProvider(keys or (ALIAS,), region="us-east-1", endpoint=kms.url)


async def test_a_key_opens_in_its_own_context_only(kms: Kms) -> None:
    kms.create_key(ALIAS)
    provider = provide(kms)
    wrapped = await provider.wrap(KEY, CONTEXT)
    assert KEY not in wrapped
    assert await provider.unwrap(wrapped, CONTEXT) == KEY
    for context in (CONTEXT | {"tenant": B}, CONTEXT | {"version": "2"}, CONTEXT | {"purpose": "other"}, {}):
        with pytest.raises(TamperedError):
            await provider.unwrap(wrapped, context)
    for other in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[:30], b"", b"L2" + wrapped[2:]):
        with pytest.raises(TamperedError):
            await provider.unwrap(other, CONTEXT)
    await provider.close()


async def test_a_key_that_is_not_ours_is_never_asked(kms: Kms) -> None:
    kms.create_key(ALIAS)
    theirs = provide(kms, kms.create_key().arn)
    wrapped = await theirs.wrap(KEY, CONTEXT)
    provider = provide(kms)
    with pytest.raises(TamperedError):
        await provider.unwrap(wrapped, CONTEXT)
    assert kms.calls["Decrypt"] == 0
    both = provide(kms, ALIAS, *kms.keys)
    assert await both.unwrap(wrapped, CONTEXT) == KEY
    for each in (theirs, provider, both):
        await each.close()


async def test_a_disabled_key_and_one_about_to_be_deleted_open_nothing(kms: Kms) -> None:
    key = kms.create_key(ALIAS)
    provider = provide(kms)
    wrapped = await provider.wrap(KEY, CONTEXT)
    for state, code in (("Disabled", "DisabledException"), ("PendingDeletion", "KMSInvalidStateException")):
        key.state = state
        for call in (provider.unwrap(wrapped, CONTEXT), provider.wrap(KEY, CONTEXT), provider.rewrap(wrapped, CONTEXT)):
            with pytest.raises(KeyDisabledError, match=code) as caught:
                await call
            assert "arn:" not in str(caught.value)
    key.state = "Enabled"
    assert await provider.unwrap(wrapped, CONTEXT) == KEY
    kms.delete_now(key)
    with pytest.raises(KeyDisabledError, match="NotFoundException"):
        await provider.unwrap(wrapped, CONTEXT)
    await provider.close()


async def test_it_waits_out_a_full_kms_and_says_when_it_can_not(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    kms.create_key(ALIAS)
    provider = provide(kms)
    wrapped = await provider.wrap(KEY, CONTEXT)
    kms.refuse_next = [Refusal("ThrottlingException"), Refusal("KMSInternalException", status=500)]
    assert await provider.unwrap(wrapped, CONTEXT) == KEY
    kms.refuse_next = [Refusal("ThrottlingException")] * 3
    with pytest.raises(UnavailableError):
        await provider.unwrap(wrapped, CONTEXT)
    await provider.close()
    nobody = AwsKeyProvider((ALIAS,), region="us-east-1", endpoint="http://127.0.0.1:1")
    with pytest.raises(UnavailableError):
        await nobody.wrap(KEY, CONTEXT)
    await nobody.close()


async def test_keys_are_wrapped_anew_by_new_material_and_by_another_key(kms: Kms) -> None:
    old = kms.create_key(ALIAS)
    provider = provide(kms)
    wrapped = await provider.wrap(KEY, CONTEXT)
    await provider.renew()
    assert await provider.unwrap(wrapped, CONTEXT) == KEY, "older material goes on opening"
    anew = await provider.rewrap(wrapped, CONTEXT)
    assert anew != wrapped
    assert kms.calls["ReEncrypt"] == 1
    await provider.close()
    new = kms.create_key(ALIAS)  # the alias points at it from now on
    both = provide(kms, ALIAS, old.identity)
    assert not await both.is_current(anew)
    moved = await both.rewrap(anew, CONTEXT)
    assert await both.is_current(moved)
    old.state = "PendingDeletion"
    assert await both.unwrap(moved, CONTEXT) == KEY
    assert (await both.describe()).key == new.identity
    new.material *= 26
    with pytest.raises(InputError, match="LimitExceeded"):
        await both.renew()
    assert await both.retire([]) == 0
    await both.close()


async def test_an_alias_that_moves_is_noticed(kms: Kms) -> None:
    old = kms.create_key(ALIAS)
    provider = provide(kms, ALIAS, old.arn)
    wrapped = await provider.wrap(KEY, CONTEXT)
    kms.create_key(ALIAS)
    assert not await provider.is_current(wrapped)
    assert await provider.unwrap(wrapped, CONTEXT) == KEY
    await provider.close()


async def test_the_vault_on_kms_holds_keys_for_some_time_and_no_longer(kms: Kms, tmp_path: Path) -> None:
    key = kms.create_key(ALIAS)
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    clock, chance, provider = FakeClock(), FakeChance(), provide(kms)
    keyring = Keyring(database.keys, provider, chance, clock)
    vault = VaultService(database.connections, keyring, clock, chance)
    name = ConnectionName("c")
    await vault.save(A, name=name, kind=ConnectionKind.BEARER, hosts=("a.example",), secret="s")
    for _ in range(20):
        assert isinstance(await vault.open_lease(A, name), Lease)
        clock.advance(10)
    assert kms.calls["Decrypt"] == 1
    clock.advance(OPEN_AGAIN_SECONDS)
    kms.refuse_next = [Refusal("AccessDeniedException")]
    with pytest.raises(KeyDisabledError):
        await vault.open_lease(A, name)
    key.state = "Disabled"  # the switch that stops all
    with pytest.raises(KeyDisabledError):
        await vault.open_lease(A, name)
    key.state = "Enabled"
    assert isinstance(await vault.open_lease(A, name), Lease)
    clock.advance(OPEN_AGAIN_SECONDS)
    kms.refuse_next = [Refusal("KMSInternalException", status=500)] * 3
    assert isinstance(await vault.open_lease(A, name), Lease), "a KMS that does not answer stops nothing for an hour"
    clock.advance(GRACE_SECONDS)
    kms.refuse_next = [Refusal("KMSInternalException", status=500)] * 3
    with pytest.raises(UnavailableError):
        await vault.open_lease(A, name)
    rotation = Rotation(database.keys, database.connections, keyring, provider, vault, chance, clock)
    for level in Level:
        clock.advance(1)
        after = "begin"
        while after:
            step = await rotation.step(A, level, clock.now_milliseconds(), "" if after == "begin" else after)
            after = step.after
    assert isinstance(await vault.open_lease(A, name), Lease)
    assert (await database.keys.load(A))[0].version == 2
    await keyring.shred(A, make_shredding(A))
    assert await vault.list(A) == ()
    await provider.close()
    await database.close()


async def test_moto_agrees_where_it_can() -> None:
    import boto3  # noqa: PLC0415 - slow, and only here

    with mock_aws():
        client = boto3.client("kms", region_name="us-east-1")
        arn = client.create_key()["KeyMetadata"]["Arn"]
        client.create_alias(AliasName=ALIAS, TargetKeyId=arn)
        provider = AwsKeyProvider((ALIAS,), region="us-east-1")
        wrapped = await provider.wrap(KEY, CONTEXT)
        assert await provider.unwrap(wrapped, CONTEXT) == KEY
        assert await provider.unwrap(await provider.rewrap(wrapped, CONTEXT), CONTEXT) == KEY
        for other, context in ((wrapped, CONTEXT | {"tenant": B}), (wrapped[:-1] + b"\0", CONTEXT)):
            with pytest.raises(TamperedError):
                await provider.unwrap(other, context)
        await provider.close()


def test_awss_variables_reach_who_asks_kms_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def environment(module: str, *keys: str) -> dict[str, str]:
        start = ProcessStart(
            settings=Settings(data=Path(), kms_keys=keys), broker_url="", broker_user="", broker_password="", run_key=b"", lease_key=b"", listen_fd=0
        )  # fmt: skip
        return choose_environment(Child("c", module, start))

    monkeypatch.setenv("AWS_ROLE_ARN", "arn")
    assert "AWS_ROLE_ARN" in environment("blubees.main.control_plane", ALIAS)
    assert "AWS_ROLE_ARN" not in environment("blubees.main.control_plane")
    assert "AWS_ROLE_ARN" not in environment("blubees.main.conduit", ALIAS)


def test_no_key_is_a_wrong_setting() -> None:
    with pytest.raises(InputError, match="BLUBEES_KMS_KEYS"):
        AwsKeyProvider(())
