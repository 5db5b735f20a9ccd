"""What operators see of grants and may change of connections: states, missing scopes, and no way for a secret to another host."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blubees.model.connection import Connection, ConnectionKind
from blubees.model.errors import ConflictError, InputError, MissingError
from blubees.model.grant import GrantState
from blubees.model.ids import ConnectionName
from blubees.operations.grants import GrantDesk, ScopeChooser
from blubees.vault.keyring import Keyring
from blubees.vault.oauth.consents import ConsentService
from fakes.grants import BACK, NAME, SECRET, A, Process, World, run_world


class Desk:
    """A desk, and what live flows need."""

    def __init__(self, world: World) -> None:
        self.world, self.process = world, world.start()
        self.needed: tuple[str, ...] = ()
        process: Process = self.process
        scopes = ScopeChooser(self.list_needed)
        consents = ConsentService(
            process.vault, world.database.grants, process.keeper,
            Keyring(world.database.keys, world.provider, process.chance, world.clock), process.web, world.clock,
            process.chance, process.tell, callback=BACK, choose_scopes=scopes.choose,
        )  # fmt: skip
        self.desk = GrantDesk(process.vault, process.grants, consents, scopes)

    async def list_needed(self, _connection: Connection) -> tuple[str, ...]:
        return self.needed


@pytest.fixture
async def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with run_world(tmp_path, monkeypatch) as world:
        yield Desk(world)


async def test_it_tells_how_a_grant_stands_and_which_scopes_are_missing(made: Desk) -> None:
    with pytest.raises(MissingError):
        await made.desk.show(A, NAME)
    await made.world.save()
    fresh = await made.desk.show(A, NAME)
    assert (fresh.state, fresh.needs_person, fresh.wanted_scopes) == (GrantState.NONE, True, ("read",))
    with pytest.raises(ConflictError, match="say yes"):
        await made.desk.renew(A, NAME)
    await made.world.consent(made.process)
    live = await made.desk.show(A, NAME)
    assert (live.state, live.needs_person, live.missing_scopes) == (GrantState.LIVE, False, ())
    made.needed = ("write", "read")
    assert (await made.desk.show(A, NAME)).missing_scopes == ("write",)
    assert (await made.desk.authorize(A, NAME, "me")).scopes == ("read", "write")
    assert (await made.desk.renew(A, NAME)).renewed_at_milliseconds >= live.renewed_at_milliseconds
    made.world.server.revoke_all()
    with pytest.raises(ConflictError):
        await made.desk.renew(A, NAME)
    dead = await made.desk.show(A, NAME)
    assert (dead.state, dead.needs_person, dead.problem) == (GrantState.DEAD, True, "dead")
    assert SECRET not in str(dead)


async def test_a_change_keeps_what_is_granted_and_leads_no_secret_to_another_host(made: Desk) -> None:
    await made.world.save()
    tokens = await made.world.consent(made.process)
    changed = await made.desk.change(A, NAME, {}, {"scopes": "read write", "token_url": made.world.server.url + "/token?x=1"})
    assert changed.settings["scopes"] == "read write"
    assert (await made.process.lease()).secret == tokens.access_token
    for name in ("token_url", "authorize_url"):
        with pytest.raises(InputError, match="another host"):
            await made.desk.change(A, NAME, {}, {name: "https://evil.example.com/token"})
        with pytest.raises(InputError, match="another host"):
            await made.desk.change(A, NAME, {"client_secret": "mine"}, {name: made.world.server.url + ":1/token"})
    with pytest.raises(InputError, match="nobody types this one"):
        await made.desk.change(A, NAME, {"refresh_token": "x"}, {})
    with pytest.raises(InputError, match="client_secret: client_auth basic needs this secret"):
        await made.desk.change(A, NAME, {"client_secret": ""}, {})
    with pytest.raises(MissingError):
        await made.desk.change(A, ConnectionName("other"), {}, {})


async def test_a_client_secret_that_was_set_right_brings_a_dead_grant_back(made: Desk) -> None:
    await made.world.save()
    await made.world.consent(made.process)
    made.world.server.clients["app"].secret = "another"
    with pytest.raises(ConflictError):
        await made.desk.renew(A, NAME)
    assert (await made.desk.show(A, NAME)).problem == "client"
    await made.desk.change(A, NAME, {"client_secret": "another"}, {})
    assert (await made.desk.show(A, NAME)).state is GrantState.LIVE


async def test_a_kind_without_a_token_has_none_to_renew(made: Desk) -> None:
    await made.process.vault.save(A, name="mine", kind=ConnectionKind.BEARER, hosts=("a.example",), secret="t")
    assert (await made.desk.show(A, NAME)).needs_person is False
    with pytest.raises(InputError, match="no token to renew"):
        await made.desk.renew(A, NAME)
