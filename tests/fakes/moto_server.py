"""Moto behind HTTP on loopback: AWS's services as moto has them, asked over the wire, signatures checked where a test wants it.

Moto's own server needs Flask and much more; here its dispatcher is asked, which its in-process stubs ask too.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import boto3
import msgspec
import orjson
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto import mock_aws, settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.models import botocore_stubber
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.catalogue import list_hooks, load_connector
from blubees.model.connection import ConnectionKind, Lease
from blubees.model.connector import Connector
from fakes.machine import FakeClock
from fakes.third_parties import OneKey, Way, find_way, serve
from fakes.vendors import Perform, Tools

REGION = "us-east-1"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


async def answer(request: Request) -> Response:
    """Have moto answer: what is asked goes to the service that the signature names."""
    path = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
    service = request.headers["authorization"].partition("Credential=")[2].split("/")[3]
    host = f"{service}.amazonaws.com" if service == "s3" else f"{service}.{REGION}.amazonaws.com"
    headers = HTTPHeaders()
    for name, value in request.headers.items():
        headers[name] = value
    asked = AWSPreparedRequest(request.method, f"https://{host}{path}", headers, await request.body(), stream_output=False)
    answered = botocore_stubber.process_request(asked)
    assert answered is not None
    status, told, body = answered
    content = body.encode() if isinstance(body, str) else body
    kept = {name: str(value) for name, value in told.items() if request.method == "HEAD" or name.lower() != "content-length"}
    return Response(content, status, kept)


def make_app() -> Starlette:
    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])])


@contextlib.contextmanager
def check_signatures() -> Iterator[None]:
    """Have moto check signatures and policies, as AWS does; keys are those of moto's IAM."""
    before = settings.INITIAL_NO_AUTH_ACTION_COUNT, ActionAuthenticatorMixin.request_count
    settings.INITIAL_NO_AUTH_ACTION_COUNT, ActionAuthenticatorMixin.request_count = 0, 0
    try:
        yield
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT, ActionAuthenticatorMixin.request_count = before


def write_lease(port: int, service: str, key: str = ACCESS_KEY, secret: str = SECRET_KEY) -> Lease:
    return Lease(
        kind=ConnectionKind.AWS_SIGV4,
        hosts=(f"127.0.0.1:{port}",),
        user_name="",
        parameter="",
        secret=secret,
        settings={"access_key_id": key, "region": REGION, "service": service, "param_addressing": "path"},
        expires_at_milliseconds=FakeClock().now_milliseconds() + 60_000,
    )


def take_user(visit: "Visit", service: str, *actions: str) -> None:
    """Have the desk hold the key of a user who may do these actions and no others."""
    iam = boto3.client("iam", region_name=REGION)
    iam.create_user(UserName="blubees")
    key = iam.create_access_key(UserName="blubees")["AccessKey"]
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": [allowed]}).decode()
    iam.put_user_policy(UserName="blubees", PolicyName="p", PolicyDocument=policy)
    visit.desk.lease = write_lease(visit.port, service, key["AccessKeyId"], key["SecretAccessKey"])


def take_key(visit: "Visit", service: str, *, key: str = "") -> None:
    """Have the desk hold a wrong secret of the user's key, or of another key."""
    assert visit.desk.lease is not None
    visit.desk.lease = write_lease(visit.port, service, key or visit.desk.lease.settings["access_key_id"], "wrong")


def move(name: str, port: int) -> Connector:
    """Give the connector as it is, but at a loopback port."""
    connector = load_connector(name)
    assert connector is not None
    return msgspec.structs.replace(connector, base_url=f"http://127.0.0.1:{port}")


class Visit(NamedTuple):
    """Moto, and what performs actions against it.

    Attributes:
        perform: an action of a connector, `amazon_sns.publish`, with its inputs.
        desk: the desk with the key.
    """

    perform: Perform
    desk: OneKey
    way: Way
    connectors: dict[str, Connector]
    port: int


@contextlib.asynccontextmanager
async def visit_aws(service: str, *names: str) -> AsyncIterator[Visit]:
    """Have these connectors speak with moto.

    Args:
        service: what calls are signed for, until the desk's lease is another.
    """
    with mock_aws():
        async with serve(lambda _: make_app()) as port:
            desk = OneKey(write_lease(port, service))
            connectors = {name: move(name, port) for name in names}
            async with find_way(port, desk) as way:
                tools = Tools(way)

                async def perform(action: str, **inputs: Any) -> Any:
                    name, _, short = action.partition(".")
                    done = compile_action(connectors[name], short, list_hooks(name))
                    return await done({"connection": "there", **inputs}, tools)

                yield Visit(perform, desk, way, connectors, port)
