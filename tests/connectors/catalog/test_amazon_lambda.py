"""AWS Lambda against moto, over the wire: functions are called, their releases and limits changed, errors told apart.

Moto reads the bodies of this service's requests in a way of its own to check signatures: those are held by AWS's vectors.
"""

import io
import zipfile

import boto3
import orjson
import pytest
from moto.core.config import default_user_config

from blubees.model.failures import Failure, FailureCode
from fakes.moto_server import REGION, Visit, visit_aws

CODE = "def handler(event, context): return event"


@pytest.fixture(autouse=True)
def no_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto answers calls of functions itself: what they do is not the question here."""
    monkeypatch.setitem(default_user_config["lambda"], "use_docker", False)  # noqa: FBT003 - the library's


def make_function(name: str = "close-shop") -> None:
    """Make one, as a deployment does."""
    trust = orjson.dumps({"Version": "2012-10-17", "Statement": []}).decode()
    role = boto3.client("iam", region_name=REGION).create_role(RoleName=f"run-{name}", AssumeRolePolicyDocument=trust)["Role"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("shop.py", CODE)
    boto3.client("lambda", region_name=REGION).create_function(
        FunctionName=name, Runtime="python3.12", Role=role["Arn"], Handler="shop.handler", Code={"ZipFile": packed.getvalue()}
    )


def code(found: object) -> FailureCode:
    assert isinstance(found, Failure), found
    return found.code


async def release(aws: Visit) -> list[str]:
    """Publish two versions; gives their numbers."""
    return [
        (await aws.perform("amazon_lambda.publish_version", function="close-shop", description=text))["Version"]
        for text in ("OPS-7", "OPS-8")
    ]


async def test_functions_are_called_and_what_is_not_there_is_told() -> None:
    async with visit_aws("lambda", "amazon_lambda") as aws:
        make_function()
        for action in ("invoke", "invoke_later"):
            called = await aws.perform(f"amazon_lambda.{action}", function="close-shop", payload={"issue": "OPS-7 ä"})
            assert not isinstance(called, Failure), called
            assert called["request"], "AWS's id of the call"
        assert code(await aws.perform("amazon_lambda.get_function", function="none")) is FailureCode.NOT_FOUND


async def test_functions_are_listed_and_their_limits_changed() -> None:
    async with visit_aws("lambda", "amazon_lambda") as aws:
        for name in ("close-shop", "open-shop"):
            make_function(name)
        listed = await aws.perform("amazon_lambda.list_functions")
        assert sorted(each["FunctionName"] for each in listed) == ["close-shop", "open-shop"]
        assert (await aws.perform("amazon_lambda.set_concurrency", function="close-shop", concurrency=3)) == {"concurrency": 3}
        known = await aws.perform("amazon_lambda.get_function", function="close-shop")
        assert (known["configuration"]["FunctionName"], known["reserved_concurrency"]) == ("close-shop", 3)
        assert await aws.perform("amazon_lambda.remove_concurrency", function="close-shop") is None
        known = await aws.perform("amazon_lambda.get_function", function="close-shop")
        assert known.get("reserved_concurrency") is None


async def test_an_alias_leads_to_another_version() -> None:
    async with visit_aws("lambda", "amazon_lambda") as aws:
        make_function()
        first, second = await release(aws)
        boto3.client("lambda", region_name=REGION).create_alias(FunctionName="close-shop", Name="live", FunctionVersion=first)
        versions = await aws.perform("amazon_lambda.list_versions", function="close-shop")
        assert {first, second} <= {each["Version"] for each in versions}
        changed = await aws.perform("amazon_lambda.update_alias", function="close-shop", alias="live", version=second)
        assert (changed["Name"], changed["FunctionVersion"]) == ("live", second)
        listed = await aws.perform("amazon_lambda.list_aliases", function="close-shop")
        assert [(each["Name"], each["FunctionVersion"]) for each in listed] == [("live", second)]
        missing = await aws.perform("amazon_lambda.update_alias", function="close-shop", alias="none", version=second)
        assert code(missing) is FailureCode.NOT_FOUND
