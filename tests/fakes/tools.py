"""The tools of a step, answering from an example's replies."""

import orjson

from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.failures import Failure
from blubees.model.field_names import FieldNames
from blubees.steps.contract import Example
from fakes.transfers import transfer_by_calls


class FakeTools:
    """Answers an example's replies in order and keeps what was asked."""

    def __init__(self, example: Example) -> None:
        self.replies = list(example.replies)
        self.calls: list[Call] = []
        self._holds, self._seen = example.holds, example.seen
        self.branch_count = len(example.holds)
        self.answer = example.answer
        self.event: object = None
        self.issue = example.issue
        self._named, self._names = example.named, example.field_names

    def now_milliseconds(self) -> int:
        return 1_795_000_000_000

    def has_branch(self, name: str) -> bool:
        return name in self._named

    def holds(self, branch: int) -> bool:
        return self._holds[branch]

    async def list_field_names(self) -> FieldNames | Failure:
        ids = frozenset(each for several in self._names.values() for each in several)
        return FieldNames(ids, self._names)

    async def mark_seen(self, _key: str, _days: int) -> bool | Failure:
        return self._seen

    async def call(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        status, body = self.replies.pop(0)
        content = b"" if body is None else body.encode() if isinstance(body, str) else orjson.dumps(body)
        return CallAnswer(status=status, headers={"content-type": "application/json"}, body=content)

    call_jira = call

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        return await transfer_by_calls(self.call, transfer)
