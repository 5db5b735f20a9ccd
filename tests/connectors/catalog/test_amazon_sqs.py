"""Amazon SQS against moto, over the wire: messages are sent, hidden, given back and deleted; queues listed, changed, tagged.

The trigger, and the actions that it takes messages with: tests/flows/test_aws_polls.py.
"""

from typing import Any

from blubees.model.failures import Failure, FailureCode
from fakes.moto_server import Visit, check_signatures, take_key, take_user, visit_aws


def code(found: Any) -> FailureCode:
    assert isinstance(found, Failure), found
    return found.code


async def make_queue(aws: Visit, name: str = "orders", **more: Any) -> str:
    return str((await aws.perform("amazon_sqs.create_queue", name=name, **more))["url"])


async def receive(aws: Visit, queue: str, **more: Any) -> list[Any]:
    found = await aws.perform("amazon_sqs.receive_messages", queue=queue, count=10, **more)
    return list(found.get("messages", []))


async def test_a_message_is_sent_hidden_given_back_and_deleted() -> None:
    async with visit_aws("sqs", "amazon_sqs") as aws:
        queue = await make_queue(aws)
        project = {"project": {"DataType": "String", "StringValue": "OPS"}}
        sent = await aws.perform("amazon_sqs.send_message", queue=queue, body='{"issue": "OPS-7 ä&"}', attributes=project)
        found = await receive(aws, queue, attributes=["All"], visibility_timeout=600)
        assert [(each["MessageId"], each["Body"]) for each in found] == [(sent["id"], '{"issue": "OPS-7 ä&"}')]
        assert found[0]["MessageAttributes"]["project"]["StringValue"] == "OPS"
        assert await receive(aws, queue) == [], "it is hidden"
        known = await aws.perform("amazon_sqs.get_queue_attributes", queue=queue, names=["All"])
        assert (known["waiting"], known["in_flight"]) == ("0", "1")
        receipt = found[0]["ReceiptHandle"]
        back = await aws.perform("amazon_sqs.change_visibility", queue=queue, receipt=receipt, visibility_timeout=0)
        assert back is None
        found = await receive(aws, queue, visibility_timeout=600)
        assert len(found) == 1, "it was given back"
        assert await aws.perform("amazon_sqs.delete_message", queue=queue, receipt=found[0]["ReceiptHandle"]) is None
        known = await aws.perform("amazon_sqs.get_queue_attributes", queue=queue, names=["All"])
        assert (known["waiting"], known["in_flight"]) == ("0", "0")


async def test_several_are_sent_and_deleted_at_once() -> None:
    async with visit_aws("sqs", "amazon_sqs") as aws:
        queue = await make_queue(aws)
        messages = [{"Id": str(number), "MessageBody": f'{{"order": {number}}}'} for number in range(10)]
        sent = await aws.perform("amazon_sqs.send_messages", queue=queue, messages=messages)
        assert (len(sent["sent"]), sent["failed"]) == (10, [])
        found = await receive(aws, queue)
        assert sorted(each["Body"] for each in found) == [each["MessageBody"] for each in messages]
        taken = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in found]
        gone = await aws.perform("amazon_sqs.delete_messages", queue=queue, messages=taken)
        assert (len(gone["deleted"]), gone["failed"]) == (10, [])
        twice = await aws.perform("amazon_sqs.send_messages", queue=queue, messages=[messages[0], messages[0]])
        assert code(twice) is FailureCode.REQUEST_REFUSED
        again = await aws.perform("amazon_sqs.send_messages", queue=queue, messages=messages)
        assert len(again["sent"]) == 10
        assert await aws.perform("amazon_sqs.purge_queue", queue=queue) is None
        assert await receive(aws, queue) == []


async def test_a_queue_in_order_keeps_it_and_takes_nothing_twice() -> None:
    async with visit_aws("sqs", "amazon_sqs") as aws:
        queue = await make_queue(aws, "orders.fifo", attributes={"FifoQueue": "true"})
        for text, once in (("first", "a"), ("second", "b"), ("second", "b")):
            more = {"message_group": "OPS", "deduplication": once}
            assert (await aws.perform("amazon_sqs.send_message", queue=queue, body=text, **more))["sequence_number"]
        assert [each["Body"] for each in await receive(aws, queue)] == ["first", "second"]


async def test_queues_are_listed_changed_tagged_and_deleted() -> None:
    async with visit_aws("sqs", "amazon_sqs") as aws:
        queues = [await make_queue(aws, f"ops-{number}") for number in range(3)]
        await make_queue(aws, "other")
        assert sorted(await aws.perform("amazon_sqs.list_queues", prefix="ops-")) == queues
        assert await aws.perform("amazon_sqs.get_queue_url", name="ops-1") == {"url": queues[1]}
        changed = await aws.perform("amazon_sqs.set_queue_attributes", queue=queues[0], attributes={"VisibilityTimeout": "77"})
        assert changed is None
        known = await aws.perform("amazon_sqs.get_queue_attributes", queue=queues[0], names=["VisibilityTimeout", "QueueArn"])
        assert known["attributes"]["VisibilityTimeout"] == "77"
        assert known["arn"].endswith(":ops-0")
        assert await aws.perform("amazon_sqs.tag_queue", queue=queues[0], tags={"team": "ops"}) is None
        assert await aws.perform("amazon_sqs.list_queue_tags", queue=queues[0]) == {"tags": {"team": "ops"}}
        assert await aws.perform("amazon_sqs.delete_queue", queue=queues[0]) is None
        assert code(await aws.perform("amazon_sqs.get_queue_url", name="ops-0")) is FailureCode.NOT_FOUND
        assert code(await aws.perform("amazon_sqs.send_message", queue=queues[0], body="hello")) is FailureCode.NOT_FOUND


async def test_signatures_and_policies_are_those_that_aws_checks() -> None:
    async with visit_aws("sqs", "amazon_sqs") as aws:
        queue = await make_queue(aws)
        take_user(aws, "sqs", "sqs:SendMessage")
        with check_signatures():
            assert "id" in await aws.perform("amazon_sqs.send_message", queue=queue, body="OPS-7 ä")
            assert code(await aws.perform("amazon_sqs.list_queues")) is FailureCode.CREDENTIAL_REFUSED
            take_key(aws, "sqs")
            assert code(await aws.perform("amazon_sqs.send_message", queue=queue, body="x")) is FailureCode.CREDENTIAL_REFUSED
