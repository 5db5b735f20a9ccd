"""Triggers of AWS: a queue's messages are deleted when their runs are accepted and not before; objects are news once."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.sqs.models import sqs_backends

from blubees.connectors.catalogue import load_connector
from blubees.flows.asking import POLL_ITEMS, News
from blubees.flows.asking_action import _tell_news
from blubees.flows.check import check_flow
from blubees.flows.connectors import FoundConnectors
from blubees.model.connector import PollRule
from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.steps.book import load_book
from fakes.moto_line import Firing, MotoLine
from fakes.moto_server import REGION, Visit, visit_aws

NOW = 1_795_000_000_000  # 2026-11-18T11:06:40Z
SETTLING = PollRule(action="a", since_input="s", cursor_at=("at",), id_at=("id",), settles_seconds=3_600)


class Queue:
    """A queue in moto, and the trigger on it."""

    def __init__(self, aws: Visit, count: int) -> None:
        self.client = boto3.client("sqs", region_name=REGION)
        self.url = self.client.create_queue(QueueName="orders")["QueueUrl"]
        for number in range(count):
            self.client.send_message(QueueUrl=self.url, MessageBody=f'{{"order": {number}}}')
        self.line = MotoLine(aws.way, aws.port)
        self.firing = Firing("amazon_sqs", {"on": "amazon_sqs.message", "inputs": {"queue": self.url}}, self.line, NOW)

    def count(self) -> tuple[int, int]:
        """Count what waits, and what somebody has received."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(told[names[0]]), int(told[names[1]])

    def show_again(self) -> None:
        """Have what was received be seen again, as after 300 s."""
        for message in sqs_backends["123456789012"][REGION].queues["orders"]._messages:
            message.visible_at = 0

    def orders(self) -> list[int]:
        return sorted(each["data"]["order"] for each in self.firing.items())


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto waits in this very loop."""
    monkeypatch.setattr("blubees.connectors.catalog.amazon_sqs.WAIT_SECONDS", 0)


async def test_each_message_starts_a_run_and_is_deleted() -> None:
    async with visit_aws("sqs") as aws:
        queue = Queue(aws, 23)
        fired = await queue.firing.fire()
        assert (fired.runs, fired.failure, fired.cursor) == (23, None, "")
        assert queue.orders() == list(range(23))
        assert queue.count() == (0, 0)
        targets = [each.removeprefix("AmazonSQS.") for each in queue.line.asked]
        assert targets == ["ReceiveMessage"] * 4 + ["DeleteMessageBatch"] * 3
        assert (await queue.firing.fire()).runs == 0
        assert queue.line.asked[7:] == ["AmazonSQS.ReceiveMessage"], "nothing came: nothing to delete"


async def test_nothing_is_deleted_before_its_run_is_safe() -> None:
    async with visit_aws("sqs") as aws:
        queue = Queue(aws, 12)
        queue.firing.queue.is_away = True
        with pytest.raises(UnavailableError):
            await queue.firing.fire()
        queue.firing.queue.is_away = False
        assert queue.count() == (0, 12), "received, and there"
        queue.show_again()
        queue.firing.queue.room_for = 5
        fired = await queue.firing.fire()
        assert fired.failure is not None
        assert (fired.runs, fired.failure.detail) == (5, "queue_full")
        assert queue.count() == (0, 12)
        queue.show_again()
        queue.firing.queue.room_for = 100
        fired = await queue.firing.fire()
        assert (fired.runs, fired.failure) == (7, None), "those that were started are known"
        assert queue.orders() == list(range(12))
        assert queue.count() == (0, 0)


async def test_what_can_not_be_deleted_comes_again_and_starts_nothing_twice() -> None:
    async with visit_aws("sqs") as aws:
        queue = Queue(aws, 3)
        queue.line.refuses = "DeleteMessageBatch"
        fired = await queue.firing.fire()
        assert fired.failure is not None
        assert (fired.runs, fired.failure.code, fired.failure.field) == (3, FailureCode.CREDENTIAL_REFUSED, "trigger")
        queue.line.refuses = ""
        queue.show_again()
        fired = await queue.firing.fire()
        assert (fired.runs, fired.failure) == (0, None)
        assert queue.orders() == [0, 1, 2]
        assert queue.count() == (0, 0)


async def test_a_queue_that_is_not_there_is_told() -> None:
    async with visit_aws("sqs") as aws:
        queue = Queue(aws, 0)
        queue.client.delete_queue(QueueUrl=queue.url)
        fired = await queue.firing.fire()
        assert fired.failure is not None
        assert (fired.failure.code, fired.failure.field) == (FailureCode.NOT_FOUND, "trigger")


def test_a_queue_has_no_start() -> None:
    known = load_connector("amazon_sqs")
    assert known is not None
    trigger = "{on: amazon_sqs.message, connection: c, inputs: {queue: q}, start: all}"
    text = f"id: tick\nname: T\ntrigger: {trigger}\nsteps: [{{id: a, kind: stop}}]\n"
    checked = check_flow(text, load_book(), FoundConnectors((known,)))
    assert any("takes all that is there" in str(each) for each in checked.problems)


async def test_objects_below_a_prefix_are_news_once_and_again_when_they_change() -> None:
    async with visit_aws("s3") as aws:
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket="reports")

        def put(key: str, text: bytes = b"hello") -> None:
            client.put_object(Bucket="reports", Key=key, Body=text)

        put("2026/old.txt")
        now = int(time.time() * 1_000)
        trigger = {"on": "amazon_s3.object_changed", "inputs": {"bucket": "reports", "prefix": "2026/"}, "start": "all"}
        firing = Firing("amazon_s3", trigger, MotoLine(aws.way, aws.port), now)
        assert (await firing.fire()).runs == 1
        put("2026/a.txt")
        put("2025/b.txt")
        assert (await firing.fire()).runs == 1
        assert (await firing.fire()).runs == 0
        put("2026/a.txt", b"changed")
        assert (await firing.fire()).runs == 1
        assert [each["Key"] for each in firing.items()] == ["2026/old.txt", "2026/a.txt", "2026/a.txt"]
        assert firing.items()[2]["Size"] == 7


async def test_a_prefix_with_more_objects_than_can_be_looked_through_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.connectors.catalog.amazon_s3.LIMIT_MAX", 2)
    monkeypatch.setattr("blubees.connectors.catalog.amazon_s3.OBJECTS_MAX", 4)
    async with visit_aws("s3") as aws:
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket="reports")
        trigger = {"on": "amazon_s3.object_changed", "inputs": {"bucket": "reports"}, "start": "all"}
        firing = Firing("amazon_s3", trigger, MotoLine(aws.way, aws.port), int(time.time() * 1_000))
        for key in "abc":
            client.put_object(Bucket="reports", Key=key, Body=b"")
        assert (await firing.fire()).runs == 3
        client.put_object(Bucket="reports", Key="d", Body=b"")
        fired = await firing.fire()
        assert fired.failure is not None
        assert (fired.failure.code, fired.failure.field) == (FailureCode.RUN_TOO_LARGE, "trigger.prefix")


def at(minutes: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(NOW / 1_000, UTC) - timedelta(minutes=minutes)
    return {"id": minutes, "at": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")}


def tell(items: list[dict[str, Any]], cursor: str = "", *, is_passed_over: bool = False) -> tuple[list[int], str]:
    news = _tell_news(SETTLING, items, cursor, NOW, is_passed_over=is_passed_over)
    assert isinstance(news, News)
    return [item["id"] for _, item in news.items], news.cursor


def test_the_cursor_stays_behind_for_what_is_listed_late() -> None:
    assert tell([at(90), at(70), at(5)]) == ([90, 70, 5], at(70)["at"])
    assert tell([at(70), at(20), at(5)], at(70)["at"]) == ([70, 20, 5], at(70)["at"]), "20 came late, and is told"
    assert tell([at(5)], at(70)["at"]) == ([5], at(70)["at"])
    assert tell([at(90)], at(70)["at"]) == ([], at(70)["at"])
    assert tell([at(90), at(5)], is_passed_over=True) == ([], at(5)["at"]), "what is there already stays passed over"


def test_more_than_fit_into_a_poll_are_told_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    assert POLL_ITEMS > 3
    monkeypatch.setattr("blubees.flows.asking_action.POLL_ITEMS", 3)
    told, cursor = tell([at(minutes) for minutes in (70, 75, 80, 85, 90)])
    assert (told, cursor) == ([90, 85, 80], at(80)["at"])
    assert tell([at(minutes) for minutes in (70, 75, 80)], cursor) == ([80, 75, 70], at(70)["at"])
    together = [{**at(70), "id": number} for number in range(4)]
    found = _tell_news(SETTLING, together, "", NOW, is_passed_over=False)
    assert found == Failure(code=FailureCode.RUN_TOO_LARGE, field="trigger", detail="items")
