"""Amazon SNS and SQS against moto, over the wire: what is published reaches queues; topics, subscriptions, tags, errors."""

import json
from typing import Any

import pytest

from blubees.model.failures import Failure, FailureCode
from fakes.moto_server import Visit, check_signatures, take_key, take_user, visit_aws, write_lease


def code(found: Any) -> FailureCode:
    assert isinstance(found, Failure), found
    return found.code


async def make_queue(aws: Visit, name: str) -> tuple[str, str]:
    """Make a queue; gives its URL and its ARN."""
    sign_for(aws, "sqs")
    url = (await aws.perform("amazon_sqs.create_queue", name=name))["url"]
    known = await aws.perform("amazon_sqs.get_queue_attributes", queue=url, names=["QueueArn"])
    sign_for(aws, "sns")
    return url, known["attributes"]["QueueArn"]


async def receive(aws: Visit, queue: str) -> list[Any]:
    sign_for(aws, "sqs")
    found = await aws.perform("amazon_sqs.receive_messages", queue=queue, count=10, attributes=["All"])
    sign_for(aws, "sns")
    return list(found.get("messages", []))


def sign_for(aws: Visit, service: str) -> None:
    aws.desk.lease = write_lease(aws.port, service)


async def test_what_is_published_reaches_the_queues_that_want_it() -> None:
    async with visit_aws("sns", "amazon_sns", "amazon_sqs") as aws:
        queue, arn = await make_queue(aws, "orders")
        made = await aws.perform("amazon_sns.create_topic", name="incidents", attributes={"DisplayName": "Incidents & more"})
        topic = made["topic"]
        assert topic == "arn:aws:sns:us-east-1:123456789012:incidents"
        subscribed = await aws.perform(
            "amazon_sns.subscribe",
            topic=topic,
            protocol="sqs",
            endpoint=arn,
            attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"project": ["OPS"]}'},
        )
        ops, others = (
            {"project": {"DataType": "String", "StringValue": "OPS"}},
            {"project": {"DataType": "String", "StringValue": "X"}},
        )
        sent = await aws.perform("amazon_sns.publish", topic=topic, message="OPS-7 ä&=+ <down>", subject="Down", attributes=ops)
        assert set(sent) == {"id"}
        await aws.perform("amazon_sns.publish", topic=topic, message="not for it", attributes=others)
        batch = [
            {"Id": "1", "Message": "one", "MessageAttributes": {"entry": [{"Name": "project", "Value": ops["project"]}]}},
            {"Id": "2", "Message": "two"},
        ]
        published = await aws.perform("amazon_sns.publish_batch", topic=topic, messages=batch)
        assert [each["Id"] for each in published["published"]] == ["1", "2"]
        assert published["failed"] == []
        assert [each["Body"] for each in await receive(aws, queue)] == ["OPS-7 ä&=+ <down>", "one"]

        known = await aws.perform("amazon_sns.get_subscription_attributes", subscription=subscribed["subscription"])
        assert json.loads(known["attributes"]["FilterPolicy"]) == {"project": ["OPS"]}
        change = {"subscription": subscribed["subscription"], "name": "RawMessageDelivery", "value": "false"}
        assert await aws.perform("amazon_sns.set_subscription_attribute", **change) is None
        await aws.perform("amazon_sns.publish", topic=topic, message="wrapped", attributes=ops)
        assert json.loads((await receive(aws, queue))[0]["Body"])["Message"] == "wrapped"
        assert await aws.perform("amazon_sns.unsubscribe", subscription=subscribed["subscription"]) is None
        await aws.perform("amazon_sns.publish", topic=topic, message="nobody", attributes=ops)
        assert await receive(aws, queue) == []


async def test_topics_are_listed_in_pages_changed_tagged_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.sns.models.DEFAULT_PAGE_SIZE", 2)
    async with visit_aws("sns", "amazon_sns") as aws:
        topics = [(await aws.perform("amazon_sns.create_topic", name=f"t{number}"))["topic"] for number in range(5)]
        aws.way.calls.clear()
        listed = await aws.perform("amazon_sns.list_topics")
        assert sorted(each["TopicArn"] for each in listed) == sorted(topics)
        assert len(aws.way.calls) == 3
        topic = topics[0]
        assert await aws.perform("amazon_sns.set_topic_attribute", topic=topic, name="DisplayName", value="Incidents") is None
        known = await aws.perform("amazon_sns.get_topic_attributes", topic=topic)
        assert known["attributes"]["DisplayName"] == "Incidents"
        assert await aws.perform("amazon_sns.tag_topic", topic=topic, tags={"project": "OPS", "kind": "pager"}) is None
        assert await aws.perform("amazon_sns.untag_topic", topic=topic, names=["kind"]) is None
        assert await aws.perform("amazon_sns.list_tags", topic=topic) == {"tags": {"project": "OPS"}}
        assert await aws.perform("amazon_sns.list_topic_subscriptions", topic=topic) == []
        assert await aws.perform("amazon_sns.delete_topic", topic=topic) is None
        assert code(await aws.perform("amazon_sns.get_topic_attributes", topic=topic)) is FailureCode.NOT_FOUND
        assert code(await aws.perform("amazon_sns.publish", topic=topic, message="hello")) is FailureCode.NOT_FOUND


async def test_subscriptions_are_listed_of_all_topics_and_of_one() -> None:
    async with visit_aws("sns", "amazon_sns") as aws:
        topics = [(await aws.perform("amazon_sns.create_topic", name=name))["topic"] for name in ("a", "b")]
        for topic in topics:
            await aws.perform("amazon_sns.subscribe", topic=topic, protocol="https", endpoint="https://hooks.example.com/x")
        everywhere = await aws.perform("amazon_sns.list_subscriptions")
        assert sorted(each["TopicArn"] for each in everywhere) == topics
        one = await aws.perform("amazon_sns.list_topic_subscriptions", topic=topics[0])
        assert [(each["TopicArn"], each["Protocol"]) for each in one] == [(topics[0], "https")]


async def test_a_phone_gets_a_message_unless_it_wants_none() -> None:
    async with visit_aws("sns", "amazon_sns") as aws:
        assert set(await aws.perform("amazon_sns.publish", phone="+14155550100", message="OPS-7 is down")) == {"id"}
        assert code(await aws.perform("amazon_sns.publish", phone="no number", message="hello")) is FailureCode.REQUEST_REFUSED
        assert await aws.perform("amazon_sns.is_opted_out", phone="+14155550100") == {"opted_out": False}
        assert await aws.perform("amazon_sns.is_opted_out", phone="+14155550199") == {"opted_out": True}


async def test_signatures_and_policies_are_those_that_aws_checks() -> None:
    async with visit_aws("sns", "amazon_sns") as aws:
        topic = (await aws.perform("amazon_sns.create_topic", name="incidents"))["topic"]
        take_user(aws, "sns", "sns:Publish")
        with check_signatures():
            # moto writes the form anew to check it, with + for a blank: so there is none here
            assert set(await aws.perform("amazon_sns.publish", topic=topic, message="OPS-7")) == {"id"}
            assert code(await aws.perform("amazon_sns.list_topics")) is FailureCode.CREDENTIAL_REFUSED
            take_key(aws, "sns")
            assert code(await aws.perform("amazon_sns.publish", topic=topic, message="hello")) is FailureCode.CREDENTIAL_REFUSED
            take_key(aws, "sns", key="AKIANOBODYATALL00000")
            assert code(await aws.perform("amazon_sns.publish", topic=topic, message="hello")) is FailureCode.CREDENTIAL_REFUSED
