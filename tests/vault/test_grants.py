"""Grants are kept alive: one renewal for all processes, ahead of the end, over crashes, and none is given up unread.

Against Authlib's server with one-time refresh tokens whose reuse ends the grant, and a real database file.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blubees.model.connection import Connection, ConnectionKind, LeaseRefusal
from blubees.model.errors import UnavailableError
from blubees.model.grant import GrantState
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebRequest
from blubees.vault.lease import hash_token
from blubees.vault.oauth.grants import HOLD_MILLISECONDS
from blubees.vault.oauth.leasing import EARLIER, REFRESH
from fakes.grants import NAME, SECRET, A, CrashError, Process, World, run_world


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with run_world(tmp_path, monkeypatch) as made:
        yield made


async def begin(world: World, count: int = 1, **settings: str) -> list[Process]:
    processes = [world.start() for _ in range(count)]
    await world.save(**settings)  # type: ignore[arg-type]
    await world.consent(processes[0])
    return processes


async def test_a_conduit_gets_the_token_and_nothing_that_makes_one(world: World) -> None:
    process = world.start()
    await world.save()
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.NO_GRANT
    tokens = await world.consent(process)
    lease = await process.lease()
    assert lease.secret == tokens.access_token
    text = str([lease.others, lease.settings, repr(lease)])
    assert tokens.refresh_token not in text
    assert SECRET not in text
    grant = await world.grant()
    assert (grant.state, grant.scopes) == (GrantState.LIVE, ("read",))
    assert await process.grants.open_lease(A, ConnectionName("other")) is LeaseRefusal.MISSING
    assert await process.grants.open_lease(TenantId("t" + "b" * 24), NAME) is LeaseRefusal.MISSING


async def test_many_askers_in_two_processes_make_one_renewal(world: World) -> None:
    processes = await begin(world, 2)
    old = (await processes[0].lease()).secret
    world.clock.advance(3_600)
    found = await asyncio.gather(*(each.lease() for each in processes for _ in range(20)))
    assert len({each.secret for each in found}) == 1
    assert found[0].secret != old
    assert world.server.count("refresh_token") == 1
    assert not world.server.dead_families


async def test_a_token_is_renewed_ahead_of_its_end_and_nobody_waits_for_that(world: World) -> None:
    (process,) = await begin(world)
    old = (await process.lease()).secret
    grant = await world.grant()
    world.clock.advance(3_600 - 360 - 1)
    assert (await process.lease()).secret == old
    assert not process.grants._renewing, "not yet"
    world.clock.advance(360 - 240 + 1)
    lease = await process.lease()
    assert lease.secret == old
    await asyncio.gather(*process.grants._renewing.values())
    assert (await process.lease()).secret != old
    assert 240_000 <= process.keeper.lead(grant) <= 360_000
    assert (await world.grant()).renewed_at_milliseconds > grant.renewed_at_milliseconds


async def test_a_lease_ends_with_its_token(world: World) -> None:
    (process,) = await begin(world)
    world.server.next_answers = [(503, {})] * 3
    world.clock.advance(3_600 - 30)
    lease = await process.lease()
    assert lease.expires_at_milliseconds - world.clock.now_milliseconds() <= 30_000


async def test_one_time_tokens_rotate_for_as_long_as_it_takes(world: World) -> None:
    processes = await begin(world, 2)
    seen = set()
    for number in range(6):
        world.clock.advance(3_600)
        seen.add((await processes[number % 2].lease()).secret)
    assert len(seen) == 6
    assert world.server.count("refresh_token") == 6


async def test_a_crash_between_answer_and_keeping_is_survived_where_the_vendor_gives_grace(world: World) -> None:
    world.server.grace_seconds = 600
    first, second = await begin(world, 2, reuse_seconds="600")
    world.clock.advance(3_600)
    first.web.crashes = True
    with pytest.raises(CrashError):
        await first.grants.open_lease(A, NAME)
    assert world.server.count("refresh_token") == 1, "the vendor has answered"
    waiting = asyncio.create_task(second.lease())
    await asyncio.sleep(0.1)
    assert not waiting.done(), "the hold of the one that died is respected"
    world.clock.advance(HOLD_MILLISECONDS / 1_000 + 1)
    lease = await waiting
    assert lease.secret in world.server.access_tokens
    assert world.server.count("refresh_token") == 2
    assert not world.server.dead_families
    world.clock.advance(3_600)
    assert (await second.lease()).secret in world.server.access_tokens


async def test_a_crash_where_the_vendor_gives_none_is_told_once_and_nothing_is_thrown_away(world: World) -> None:
    first, second = await begin(world, 2)
    before = await world.opened()
    world.clock.advance(3_600)
    first.web.crashes = True
    with pytest.raises(CrashError):
        await first.grants.open_lease(A, NAME)
    world.clock.advance(HOLD_MILLISECONDS / 1_000 + 1)
    found = await asyncio.gather(*(second.grants.open_lease(A, NAME) for _ in range(10)))
    assert set(found) == {LeaseRefusal.GRANT_DEAD}
    assert [event for event, _ in second.events] == ["grant_dead"]
    assert (await world.opened()).secrets == before.secrets


async def test_what_is_called_dead_is_read_again_before_it_is_believed(world: World) -> None:
    first, second = await begin(world, 2)
    world.clock.advance(3_600)

    async def renew_elsewhere() -> None:
        world.server.before_answer = None
        world.clock.advance(HOLD_MILLISECONDS / 1_000 + 1)  # the first has hung so long that its hold is over
        await second.lease()

    world.server.grace_seconds = 600
    call = first.web.client.call

    async def answer_no(request: WebRequest) -> WebAnswer | WebFailure:
        await renew_elsewhere()
        return (
            WebAnswer(status=400, headers={}, body=b'{"error": "invalid_grant"}')
            if request.url.endswith("/token")
            else await call(request)
        )

    first.web.call = answer_no  # type: ignore[method-assign]
    lease = await first.lease()
    assert lease.secret == (await second.lease()).secret
    assert (await world.grant()).state is GrantState.LIVE
    assert first.events == []


async def test_the_token_before_is_tried_before_a_grant_is_called_dead(world: World) -> None:
    (process,) = await begin(world)
    world.server.grace_seconds = 600
    world.clock.advance(3_600)
    await process.lease()
    opened = await world.opened()
    lost = opened.secrets[REFRESH]
    world.server.refresh_tokens.pop(lost)  # the vendor forgot what it gave last: it had crashed itself
    world.clock.advance(3_600)
    assert (await process.lease()).secret in world.server.access_tokens
    assert (await world.opened()).secrets[EARLIER] == opened.secrets[EARLIER]


async def test_a_dead_grant_is_told_once_and_lives_again_after_a_person_said_yes(world: World) -> None:
    processes = await begin(world, 2)
    for each in processes:
        each.lived.clear()
    world.server.revoke_all()
    world.clock.advance(3_600)
    found = await asyncio.gather(*(each.grants.open_lease(A, NAME) for each in processes for _ in range(5)))
    assert set(found) == {LeaseRefusal.GRANT_DEAD}
    told = [event for each in processes for event, _ in each.events]
    assert told == ["grant_dead"]
    asked = world.server.count("refresh_token")
    assert await processes[1].grants.open_lease(A, NAME) is LeaseRefusal.GRANT_DEAD
    assert world.server.count("refresh_token") == asked, "the vendor is left alone"
    grant = await world.grant()
    assert (grant.state, grant.problem) == (GrantState.DEAD, "dead")
    assert await processes[0].grants.renew(A, NAME) is LeaseRefusal.GRANT_DEAD
    assert [event for each in processes for event, _ in each.events] == ["grant_dead"], "nor is it told again"
    tokens = await world.consent(processes[0])
    assert processes[0].lived == [NAME]
    assert (await processes[1].lease()).secret == tokens.access_token


async def test_a_wrong_client_secret_stops_it_until_a_person_has_set_it_right(world: World) -> None:
    (process,) = await begin(world)
    world.server.clients["app"].secret = "changed-at-the-vendor"
    world.clock.advance(3_600)
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.GRANT_DEAD
    assert (await world.grant()).problem == "client"
    opened = await world.opened()
    await process.vault.replace_fields(A, NAME, opened.connection.version, {"client_secret": "changed-at-the-vendor"})
    process.lived.clear()
    assert await process.grants.renew(A, NAME) is None
    assert process.lived == [NAME]
    assert (await process.lease()).secret in world.server.access_tokens


async def test_a_vendor_that_is_away_costs_no_grant(world: World) -> None:
    (process,) = await begin(world)
    old = (await process.lease()).secret
    world.server.next_answers = [(503, {"error": "temporarily_unavailable"}), (500, "oops"), (429, {})]
    world.clock.advance(3_600 - 120)
    assert (await process.lease()).secret == old
    await asyncio.gather(*process.grants._renewing.values())
    assert (await process.lease()).secret == old, "it lives yet"
    assert not process.grants._renewing, "the vendor is not asked at each call"
    world.clock.advance(120)
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.UNAVAILABLE
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.UNAVAILABLE
    world.clock.advance(60)
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.UNAVAILABLE
    world.clock.advance(60)
    assert (await process.lease()).secret != old
    assert (await world.grant()).problem == ""


async def test_a_token_that_the_vendor_refuses_is_renewed_unless_it_is_new(world: World) -> None:
    (process,) = await begin(world)
    old = (await process.lease()).secret
    assert (await process.lease(hash_token(old))).secret == old, "just given: it is refused for something else"
    world.clock.advance(61)
    assert (await process.lease(hash_token("another"))).secret == old, "it was another one that was refused"
    assert (await process.lease(hash_token(old))).secret != old
    assert world.server.count("refresh_token") == 1


async def test_what_was_given_is_kept_though_the_database_is_away_just_then(world: World) -> None:
    (process,) = await begin(world)
    world.clock.advance(3_600)
    replace, failures = process.vault.replace_fields, [1, 1, 1]

    async def fail_first(*args: object, **more: object) -> Connection | None:
        if failures:
            failures.pop()
            raise UnavailableError("away")
        return await replace(*args, **more)  # type: ignore[arg-type]

    process.vault.replace_fields = fail_first  # type: ignore[method-assign]
    lease = await process.lease()
    assert not failures
    assert lease.secret in world.server.access_tokens
    world.clock.advance(3_600)
    assert (await process.lease()).secret in world.server.access_tokens


async def test_what_was_given_is_kept_though_the_connection_was_changed_just_then(world: World) -> None:
    (process,) = await begin(world)
    world.clock.advance(3_600)

    async def change() -> None:
        opened = await world.opened()
        assert await process.vault.replace_fields(A, NAME, opened.connection.version, {}, {"audience": "a"}) is not None

    world.server.before_answer = change
    first = await process.lease()
    world.server.before_answer = None
    assert (await world.opened()).connection.settings["audience"] == "a"
    world.clock.advance(3_600)
    assert (await process.lease()).secret not in {"", first.secret}


async def test_a_deleted_connection_gets_no_tokens(world: World) -> None:
    (process,) = await begin(world)
    world.clock.advance(3_600)

    async def delete() -> None:
        await process.vault.delete(A, NAME)

    world.server.before_answer = delete
    assert await process.grants.open_lease(A, NAME) is LeaseRefusal.MISSING
    assert await world.database.grants.load(A, NAME) is None


async def test_a_grant_that_nobody_uses_is_renewed_once_a_day(world: World) -> None:
    world.server.lives_seconds = 30 * 86_400
    (process,) = await begin(world)
    assert await world.database.grants.list_due(world.clock.now_milliseconds(), limit=9) == []
    world.clock.advance(86_400)
    round_ = asyncio.create_task(process.grants.renew_due_forever())
    while world.server.count("refresh_token") == 0 or process.grants._renewing:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.01)
    round_.cancel()
    await asyncio.wait([round_])
    assert await world.database.grants.list_due(world.clock.now_milliseconds(), limit=9) == []


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (ConnectionKind.OAUTH2_CLIENT, {}),
        (ConnectionKind.OAUTH2_JWT, {"issuer_of_jwt": "app"}),
    ],
)
async def test_where_nobody_need_say_yes_the_first_lease_fetches_a_token(
    world: World, kind: ConnectionKind, settings: dict[str, str]
) -> None:
    processes = [world.start(), world.start()]
    await world.save(kind, **settings)
    found = await asyncio.gather(*(each.lease() for each in processes for _ in range(5)))
    assert len({each.secret for each in found}) == 1
    assert len(world.server.asked) == 1
    if kind is ConnectionKind.OAUTH2_JWT:
        return  # the server's clock is the machine's: it takes no JWT of tomorrow
    world.clock.advance(3_600)
    assert (await processes[1].lease()).secret != found[0].secret
    assert len(world.server.asked) == 2


async def test_a_jwt_of_ours_is_made_for_each_lease_and_its_key_stays(world: World) -> None:
    process = world.start()
    await world.save(ConnectionKind.JWT)
    one, other = await process.lease(), await process.lease()
    assert one.secret.count(".") == 2
    assert one.secret != other.secret
    assert "PRIVATE" not in str([one.secret, one.others, one.settings])
