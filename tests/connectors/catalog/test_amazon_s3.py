"""Amazon S3 against moto, over the wire: objects and buckets, pages, files in pieces, errors, signatures."""

from typing import Any

import msgspec

from blubees.connectors.actions.perform import compile_action, compile_source
from blubees.connectors.actions.piping import PipedFile
from blubees.model.call import Transfer, Transferred
from blubees.model.failures import Failure, FailureCode
from fakes.moto_server import check_signatures, take_key, take_user, visit_aws
from fakes.third_parties import Way
from fakes.vendors import Tools

PLAIN = "2026/a b+\u00e4~.txt"
"""What moto signs as AWS does: letters such as ' it takes as they are sent, where AWS encodes them."""
ODD = "2026/a b+\u00e4~'()*!&=?#%.txt"


def code(found: Any) -> FailureCode:
    assert isinstance(found, Failure), found
    return found.code


async def test_objects_are_put_listed_in_pages_copied_and_deleted() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        assert await aws.perform("amazon_s3.create_bucket", bucket="reports") == {"location": "/reports"}
        keys = [ODD, "2026//x/", "2026/b.txt", "c.txt"]
        for key in keys:
            more = {"tags": "project=OPS", "metadata": {"Issue": "OPS-7", "n": 7}}
            put = await aws.perform("amazon_s3.put_object", bucket="reports", key=key, file="hello", **more)
            assert put == {"etag": '"5d41402abc4b2a76b9719d911017c592"'}
        aws.way.calls.clear()
        listed = await aws.perform("amazon_s3.list_objects", bucket="reports", prefix="2026/")
        assert [each["Key"] for each in listed] == sorted(keys)[:3]
        assert {(each["Size"], each["StorageClass"]) for each in listed} == {(5, "STANDARD")}
        first = await aws.perform("amazon_s3.list_objects", bucket="reports", start_after="2026//x/", limit=1)
        assert [each["Key"] for each in first] == [ODD]
        assert await aws.perform("amazon_s3.list_folders", bucket="reports") == [{"Prefix": "2026/"}]

        looked = await aws.perform("amazon_s3.head_object", bucket="reports", key=ODD)
        assert (looked["size"], looked["metadata"]) == (5, {"issue": "OPS-7", "n": "7"})
        odd = {"metadata": {"a: b\r\nx-evil": "1"}}
        refused = await aws.perform("amazon_s3.put_object", bucket="reports", key="a", file="hello", **odd)
        assert isinstance(refused, Failure)
        assert (refused.code, refused.field) == (FailureCode.INPUT_INVALID, "with.metadata")
        got = await aws.perform("amazon_s3.get_object", bucket="reports", key=ODD)
        assert (got["base64"], got["media_type"]) == ("aGVsbG8=", "text/plain")
        copied = await aws.perform("amazon_s3.copy_object", source=f"reports/{ODD}", bucket="reports", key="copy.txt")
        assert copied["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
        gone = await aws.perform("amazon_s3.delete_objects", bucket="reports", keys=[ODD, "copy.txt"])
        assert gone == {"deleted": [{"Key": ODD}, {"Key": "copy.txt"}], "failed": []}
        assert await aws.perform("amazon_s3.delete_object", bucket="reports", key="c.txt") == {}
        assert code(await aws.perform("amazon_s3.get_object", bucket="reports", key=ODD)) is FailureCode.NOT_FOUND
        assert code(await aws.perform("amazon_s3.delete_bucket", bucket="reports")) is FailureCode.REQUEST_REFUSED


async def test_a_list_of_more_than_a_page_is_walked_by_tokens() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        connector = aws.connectors["amazon_s3"]
        action = connector.actions["list_objects"]
        assert action.pages is not None
        short = msgspec.structs.replace(action, pages=msgspec.structs.replace(action.pages, size=2))
        aws.connectors["amazon_s3"] = msgspec.structs.replace(connector, actions={**connector.actions, "list_objects": short})
        await aws.perform("amazon_s3.create_bucket", bucket="reports")
        for key in "abcde":
            await aws.perform("amazon_s3.put_object", bucket="reports", key=key, file="hello")
        aws.way.calls.clear()
        listed = await aws.perform("amazon_s3.list_objects", bucket="reports")
        assert [each["Key"] for each in listed] == list("abcde")
        assert len(aws.way.calls) == 3


async def test_tags_are_names_to_values_both_ways() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        await aws.perform("amazon_s3.create_bucket", bucket="reports")
        await aws.perform("amazon_s3.put_object", bucket="reports", key="a", file="hello")
        assert await aws.perform("amazon_s3.get_object_tags", bucket="reports", key="a") == {"tags": {}}
        tags = {"project": "OPS", "kind": "a & b"}
        assert await aws.perform("amazon_s3.put_object_tags", bucket="reports", key="a", tags={"project": "OPS"}) is None
        assert await aws.perform("amazon_s3.get_object_tags", bucket="reports", key="a") == {"tags": {"project": "OPS"}}
        assert (
            code(await aws.perform("amazon_s3.put_object_tags", bucket="reports", key="a", tags=tags))
            is FailureCode.REQUEST_REFUSED
        )
        assert await aws.perform("amazon_s3.delete_object_tags", bucket="reports", key="a") is None
        assert await aws.perform("amazon_s3.get_object_tags", bucket="reports", key="a") == {"tags": {}}


async def test_buckets_are_listed_and_looked_at() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        await aws.perform("amazon_s3.create_bucket", bucket="reports")
        assert [each["Name"] for each in await aws.perform("amazon_s3.list_buckets")] == ["reports"]
        assert await aws.perform("amazon_s3.head_bucket", bucket="reports") == {"region": "us-east-1"}
        assert code(await aws.perform("amazon_s3.head_bucket", bucket="nothing-here")) is FailureCode.NOT_FOUND
        assert await aws.perform("amazon_s3.delete_bucket", bucket="reports") is None
        assert code(await aws.perform("amazon_s3.list_objects", bucket="reports")) is FailureCode.NOT_FOUND


async def test_a_bucket_that_is_none_is_not_asked_for() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        for bucket in ("", "a", "../x", "a/b", "a?b", "A.b", "10.0.0.1", "a..b", "a@b.example", "x" * 64):
            found = await aws.perform("amazon_s3.list_objects", bucket=bucket)
            assert isinstance(found, Failure)
            assert (found.code, found.field) == (FailureCode.INPUT_INVALID, "with.bucket")
        assert aws.way.calls == []


async def test_signatures_and_policies_are_those_that_aws_checks() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        await aws.perform("amazon_s3.create_bucket", bucket="reports")
        take_user(aws, "s3", "s3:PutObject", "s3:GetObject")
        with check_signatures():
            assert "etag" in await aws.perform("amazon_s3.put_object", bucket="reports", key=PLAIN, file="hello")
            assert (await aws.perform("amazon_s3.get_object", bucket="reports", key=PLAIN))["size"] == 5
            assert code(await aws.perform("amazon_s3.list_objects", bucket="reports")) is FailureCode.CREDENTIAL_REFUSED
            take_key(aws, "s3")
            assert (
                code(await aws.perform("amazon_s3.get_object", bucket="reports", key=PLAIN)) is FailureCode.CREDENTIAL_REFUSED
            )
            take_key(aws, "s3", key="AKIANOBODYATALL00000")
            assert (
                code(await aws.perform("amazon_s3.get_object", bucket="reports", key=PLAIN)) is FailureCode.CREDENTIAL_REFUSED
            )


class FileTools(Tools):
    """Tools that pass files."""

    def __init__(self, way: Way) -> None:
        super().__init__(way)
        self.transfers: list[Transfer] = []

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        self.transfers.append(transfer)
        return await self.way.transfer(transfer)


async def test_a_file_goes_from_object_to_object_in_pieces() -> None:
    async with visit_aws("s3", "amazon_s3") as aws:
        await aws.perform("amazon_s3.create_bucket", bucket="reports")
        text = "x" * 3_000_000
        await aws.perform("amazon_s3.put_object", bucket="reports", key="large", file=text, content_type="text/csv")
        connector = aws.connectors["amazon_s3"]
        tools = FileTools(aws.way)
        where = {"connection": "there", "bucket": "reports"}
        source = PipedFile(compile_source(connector, "get_object"), {**where, "key": "large"}, "with.file")
        put = compile_action(connector, "put_object", {})
        take_user(aws, "s3", "s3:PutObject", "s3:GetObject")
        with check_signatures():
            given = await put({**where, "key": "again", "file": source}, tools)
        assert isinstance(given, dict)
        assert len(tools.transfers) == 1
        looked = await aws.perform("amazon_s3.head_object", bucket="reports", key="again")
        assert (looked["size"], looked["media_type"], looked["etag"]) == (3_000_000, "text/csv", given["etag"])
        missing = PipedFile(compile_source(connector, "get_object"), {**where, "key": "gone"}, "with.file")
        found = await put({**where, "key": "again", "file": missing}, tools)
        assert isinstance(found, Failure)
        assert (found.code, found.field) == (FailureCode.NOT_FOUND, "with.file")
