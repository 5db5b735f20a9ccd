"""AWS Signature Version 4 beside AWS's published suite (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4) and S3's examples."""

import hashlib

import pytest

from blubees.model.web import WebRequest
from blubees.vault.signing.aws import (
    AwsKeys,
    name_service,
    sign_aws,
    tidy_path,
    write_authorization,
    write_canonical,
)
from blubees.vault.signing.wire import encode, read_wire

NOW = 1_440_938_160_000  # 2015-08-30T12:36:00Z
MOMENT = "20150830T123600Z"
HOST = ("Host", "example.amazonaws.com")
EMPTY = hashlib.sha256(b"").hexdigest()
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET, region="us-east-1", service="service")
S3_KEYS = AwsKeys(
    access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1", service="s3"
)  # fmt: skip
LETTERS = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

PATHS = [  # the suite's paths are written as they are, not percent-encoded: signed they are encoded once
    ("get-vanilla", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-relative-normalized", "/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "get-relative-relative-normalized",
        "/example1/example2/../..",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    ("get-slash-pointless-dot-normalized", "/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ("get-slashes-normalized", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("get-space-normalized", "/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("get-unreserved", f"/{LETTERS}", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("get-utf8", "/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
]
QUERIES = [
    ("get-vanilla-empty-query-key", "?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    (
        "get-vanilla-query-order-key-case",
        "?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-vanilla-query-order-encoded",
        "?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    (
        "get-vanilla-query-unreserved",
        f"?{LETTERS}={LETTERS}",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    ("get-vanilla-utf8-query", "?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
]
HEADERS = [
    (
        "get-header-key-duplicate",
        ["value2", "value2", "value1"],
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "get-header-value-order",
        ["value4", "value1", "value3", "value2"],
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    ),
]


def signature(request: WebRequest | str) -> str:
    text = request if isinstance(request, str) else dict(request.headers)["Authorization"]
    return text.rpartition("Signature=")[2]


@pytest.mark.parametrize(("name", "path", "wanted"), PATHS)
def test_paths_are_signed_as_in_the_suite(name: str, path: str, wanted: str) -> None:
    headers = [HOST, ("X-Amz-Date", MOMENT)]
    canonical = write_canonical("GET", encode(tidy_path(path), "/"), [], headers, EMPTY)
    assert signature(write_authorization(canonical, headers, KEYS, MOMENT)) == wanted, name


@pytest.mark.parametrize(("name", "query", "wanted"), QUERIES)
def test_queries_are_signed_as_in_the_suite(name: str, query: str, wanted: str) -> None:
    request = WebRequest(method="GET", url=f"https://example.amazonaws.com/{query}")
    assert signature(sign_aws(request, KEYS, now_milliseconds=NOW)) == wanted, name


@pytest.mark.parametrize(("name", "values", "wanted"), HEADERS)
def test_headers_are_signed_as_in_the_suite(name: str, values: list[str], wanted: str) -> None:
    headers = [HOST, *(("My-Header1", each) for each in values), ("X-Amz-Date", MOMENT)]
    canonical = write_canonical("GET", "/", [], headers, EMPTY)
    assert signature(write_authorization(canonical, headers, KEYS, MOMENT)) == wanted, name


def test_spaces_in_headers_are_signed_as_in_the_suite() -> None:
    headers = [HOST, ("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'), ("X-Amz-Date", MOMENT)]
    text = write_authorization(write_canonical("GET", "/", [], headers, EMPTY), headers, KEYS, MOMENT)
    assert signature(text) == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
    assert "SignedHeaders=host;my-header1;my-header2;x-amz-date," in text


def test_a_body_and_its_kind_are_signed_as_in_the_suite() -> None:
    form = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "*/*"))
    request = WebRequest(method="POST", url="https://example.amazonaws.com/", headers=form, body=b"Param1=value1")
    signed = sign_aws(request, KEYS, now_milliseconds=NOW)
    assert signature(signed) == "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    assert dict(signed.headers)["Authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
    )


def test_a_session_token_is_signed_as_in_the_suite() -> None:
    keys = AwsKeys(
        access_key_id="AKIDEXAMPLE",
        secret_access_key=SECRET,
        region="us-east-1",
        service="service",
        session_token="6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
    )
    signed = sign_aws(WebRequest(method="GET", url="https://example.amazonaws.com/"), keys, now_milliseconds=NOW)
    assert signature(signed) == "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    assert ("X-Amz-Security-Token", keys.session_token) in signed.headers
    assert SECRET not in repr(keys)
    assert keys.session_token not in repr(keys)


def test_s3_is_signed_as_in_its_manual() -> None:
    """docs.aws.amazon.com/AmazonS3, "Examples: Signature Calculations": GET Object with a range, and List Objects."""
    moment = "20130524T000000Z"
    headers = [
        ("Host", "examplebucket.s3.amazonaws.com"),
        ("Range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY),
        ("x-amz-date", moment),
    ]
    text = write_authorization(write_canonical("GET", "/test.txt", [], headers, EMPTY), headers, S3_KEYS, moment)
    assert signature(text) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    request = WebRequest(method="GET", url="https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2")
    signed = sign_aws(request, S3_KEYS, now_milliseconds=1_369_353_600_000)
    assert signature(signed) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    assert ("X-Amz-Content-Sha256", EMPTY) in signed.headers


def test_a_path_of_s3_is_signed_as_its_key_is_and_another_services_once_more() -> None:
    url = "https://b.s3.us-east-1.amazonaws.com/a%20b/../c:d//%2B"
    wire = read_wire(url)
    assert wire.path == "/c:d//%2B"
    seen = {}
    for service in ("s3", "other"):
        keys = AwsKeys(access_key_id="A", secret_access_key="S", region="us-east-1", service=service)
        signed = sign_aws(WebRequest(method="PUT", url=url, body=b"x"), keys, now_milliseconds=NOW)
        assert signed.url == wire.url
        assert read_wire(signed.url) == wire
        path = "/c%3Ad//%2B" if service == "s3" else "/c%3Ad/%252B"
        headers = [("host", wire.host), *(pair for pair in signed.headers if pair[0].startswith("X-Amz"))]
        canonical = write_canonical("PUT", path, [], headers, hashlib.sha256(b"x").hexdigest())
        assert dict(signed.headers)["Authorization"] == write_authorization(canonical, headers, keys, MOMENT)
        seen[service] = signature(signed)
    assert seen["s3"] != seen["other"]


def test_a_body_of_s3_may_go_unsigned() -> None:
    keys = AwsKeys(access_key_id="A", secret_access_key="S", region="us-east-1", service="s3", signs_payload=False)
    request = WebRequest(method="PUT", url="https://b.s3.us-east-1.amazonaws.com/k", body=b"one")
    signed = sign_aws(request, keys, now_milliseconds=NOW)
    other = sign_aws(WebRequest(method="PUT", url=request.url, body=b"two"), keys, now_milliseconds=NOW)
    assert ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") in signed.headers
    assert signature(signed) == signature(other)


def test_headers_that_a_caller_wrote_do_not_stand_in_for_ours() -> None:
    forged = (("x-amz-date", "19700101T000000Z"), ("authorization", "forged"), ("X-Amz-Security-Token", "forged"))
    request = WebRequest(method="GET", url="https://example.amazonaws.com/", headers=forged)
    signed = sign_aws(request, KEYS, now_milliseconds=NOW)
    assert [name.lower() for name, _ in signed.headers] == ["x-amz-date", "authorization"]
    assert signature(signed) == PATHS[0][2]


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("sqs.eu-central-1.amazonaws.com", ("sqs", "eu-central-1")),
        ("bucket.s3.eu-west-1.amazonaws.com", ("s3", "eu-west-1")),
        ("my.bucket.s3.dualstack.us-east-2.amazonaws.com", ("s3", "us-east-2")),
        ("s3.amazonaws.com", ("s3", "us-east-1")),
        ("iam.amazonaws.com", ("iam", "us-east-1")),
        ("bedrock-runtime.us-west-2.amazonaws.com:443", ("bedrock", "us-west-2")),
        ("abc123.execute-api.us-east-1.amazonaws.com", ("execute-api", "us-east-1")),
        ("abc123.lambda-url.us-east-1.on.aws", ("lambda", "us-east-1")),
        ("email.us-gov-west-1.amazonaws.com", ("ses", "us-gov-west-1")),
        ("sns.cn-north-1.amazonaws.com.cn", ("sns", "cn-north-1")),
        ("minio.example.com", ("", "")),
        ("amazonaws.com.evil.example.com", ("", "")),
    ],
)
def test_a_host_tells_its_service_and_region(host: str, wanted: tuple[str, str]) -> None:
    assert name_service(host) == wanted
