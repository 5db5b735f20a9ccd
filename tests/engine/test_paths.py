"""Results by path, and checkpoints that turns share: each effect is safe before the next call of its turn."""

import asyncio
import json
import random

from blubees.engine.journal import Journal
from blubees.engine.message import open_state
from blubees.engine.paths import Paths, prune_results
from blubees.engine.plan import Reads
from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.ids import RunId, TenantId
from blubees.model.receipt import RunOutcome
from blubees.vault.seal import Sealer
from fakes.engine import FakeCheckpoints, FakeLine, make_message, make_plan
from fakes.machine import FakeChance, FakeClock

SEALER = Sealer(b"k" * 32, FakeChance())
LOOP = """  - id: loop
    kind: each
    with: {items: "{{webhookData}}", at_once: 10}
    branches:
      - steps:
          - {id: post, kind: http, with: {method: POST, url: "https://a.example.com/{{item}}", effect: keyed}}"""


def test_what_stands_below_a_prefix_is_found_and_forgotten_whatever_comes_and_goes() -> None:
    chance = random.Random(7)  # noqa: S311 - a test that repeats itself
    names = [
        "a",
        "b",
        "loop[0]",
        "loop[1]",
        "loop[1]/a",
        "loop[1]/in[0]/b",
        "loop[1]/in[0]",
        "loop[11]/a",
        "way[error]",
        "sub[call]",
        "sub[call]/a",
    ]
    paths, plain = Paths[int]({}), dict[str, int]()
    for number in range(2_000):
        name = chance.choice(names)
        if chance.random() < 0.6:
            paths[name] = plain[name] = number
        else:
            paths.forget(name)
            plain.pop(name, None)
        if chance.random() < 0.05:
            prefix = chance.choice(["loop[1]/", "loop[", "loop[1]/in[", "sub[call]"])
            paths.forget_below(prefix)
            plain = {path: value for path, value in plain.items() if not path.startswith(prefix)}
        assert paths == plain
        assert set(paths.list_own("loop[1]/")) == {name for name in ("a",) if f"loop[1]/{name}" in plain}
        assert set(paths.list_own("")) == {name for name in ("a", "b") if name in plain}


def test_a_checkpoint_keeps_what_turns_gave_only_where_it_is_read() -> None:
    done = {"a": 1, "loop[0]": [{"x": 1}, False], "loop[1]/a": 2, "way[error]": {"code": "busy"}}
    kept = prune_results(done, {"": Reads(steps=frozenset({"a"}))})
    assert kept == {"a": 1, "loop[0]": [None, False], "loop[1]/a": 2, "way[error]": {"code": "busy"}}
    assert prune_results(done, {"": Reads(steps=frozenset({"loop"}))})["loop[0]"] == [{"x": 1}, False]
    assert prune_results(done, {"": Reads(all_steps=True)}) == done


class SlowCheckpoints(FakeCheckpoints):
    """Takes a moment for each, as a broker does."""

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        await asyncio.sleep(0.002)
        return await super().save(tenant, run, sealed, after=after)


async def test_turns_share_checkpoints_and_none_calls_before_its_last_effect_is_safe() -> None:
    store, message = SlowCheckpoints(), make_message(json.dumps(list(range(60))).encode())
    done: list[int] = []

    class Line(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            number = int(call.url.rpartition("/")[2])
            safe = set(open_state(message, store.saved[-1], SEALER).done) if store.saved else set()
            unsafe = [earlier for earlier in done if f"loop[{earlier}]" not in safe]
            assert len(unsafe) < 10, "at most the last effect of each of the others"
            await asyncio.sleep(0.001)
            done.append(number)
            return await super().call(call)

    journal = Journal(store, SEALER, FakeClock(), message)
    runner = Runner(FakeClock(), lambda _tenant: Line(lambda _call: CallAnswer(status=200, headers={}, body=b"")))
    end = await runner.perform(make_plan(LOOP), message, journal=journal)
    assert isinstance(end, Ended)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert sorted(done) == list(range(60))
    assert len(store.saved) < 40, "one save knows what several turns did"
