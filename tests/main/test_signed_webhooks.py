"""Vendors' signed webhooks at the real product: HubSpot's lists, Twilio's forms, and Notion's token on its way in by hand."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from product import Product, call, run_product, wait_for

pytestmark = pytest.mark.timeout(120)
APP_SECRET = "canary-app-secret-5Jq20fkWmz"
NOTION_TOKEN = "secret_canary-notion-81hfQm"
PHONE_TEXT = "canary words of a phone Kq27xhfmQ"


def write_flow(name: str, trigger: str, value: str, site: str) -> str:
    """A flow that sends one value of what came to the demo third party."""
    return f"""
id: {name}
name: {name}
trigger: {{{trigger}}}
steps:
  - id: send
    kind: http
    with: {{method: POST, url: "{site}/thirdparty/notify", connection: sink, json: {{n: "{{{{{value}}}}}", of: {name}}}}}
"""


def sign(algorithm: str, message: str) -> str:
    return base64.b64encode(hmac.digest(APP_SECRET.encode(), message.encode(), algorithm)).decode()


def send_hubspot(address: str, events: list[dict[str, object]], late_seconds: int = 0) -> int:
    body, stamp = json.dumps(events), str(int((time.time() - late_seconds) * 1000))
    headers = {
        "Content-Type": "application/json",
        "X-HubSpot-Request-Timestamp": stamp,
        "X-HubSpot-Signature-v3": sign("sha256", f"POST{address}{body}{stamp}"),
    }
    return call(address, body.encode(), headers)[0]


def send_twilio(address: str, signed: str, fields: dict[str, str]) -> tuple[int, Any]:
    """`signed`: the address that the signature is over."""
    message = signed + "".join(name + fields[name] for name in sorted(fields))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": sign("sha1", message)}
    return call(address, urlencode(fields).encode(), headers)


def send_notion(address: str, document: dict[str, object]) -> int:
    body = json.dumps(document).encode()
    signature = f"sha256={hmac.digest(NOTION_TOKEN.encode(), body, hashlib.sha256).hex()}"
    return call(address, body, {"Content-Type": "application/json", "X-Notion-Signature": signature})[0]


def received(product: Product, name: str) -> list[Any]:
    return sorted(each["n"] for each in call(f"{product.site_url}/thirdparty/received")[1] if each.get("of") == name)


def connect(product: Product, name: str, body: dict[str, object]) -> None:
    product.operator().put(f"/tenants/{product.tenant()}/connections/{name}", body)


def test_vendors_signed_webhooks_start_runs_once_each(tmp_path: Path) -> None:
    with run_product(tmp_path, conduits=1) as product:
        host = f"127.0.0.1:{product.site_port}"
        connect(product, "sink", {"kind": "bearer", "hosts": [host], "secret": "demo-third-party-token"})
        connect(product, "app", {"kind": "signing_secret", "secret": APP_SECRET})
        _take_hubspots_lists(product)
        _take_twilios_forms(product)
        _take_notions_token_by_hand(product)
        kept = b"".join(file.read_bytes() for file in product.data.rglob("*") if file.is_file()) + product.log.read_bytes()
        for word in (APP_SECRET, NOTION_TOKEN, PHONE_TEXT):
            assert word.encode() not in kept


def _take_hubspots_lists(product: Product) -> None:
    trigger = "on: hubspot.record_created, signing: app"
    address = product.publish(write_flow("crm", trigger, "webhookData.objectId", product.site_url), probe=False)
    events: list[dict[str, object]] = [
        {"eventId": 1, "subscriptionId": 7, "objectId": number, "occurredAt": 1, "subscriptionType": f"{kind}.creation"}
        for number, kind in enumerate(("contact", "quote", "deal"), 51)
    ]
    wait_for(lambda: send_hubspot(address, events) == 202)
    wait_for(lambda: received(product, "crm") == [51, 53])
    assert send_hubspot(address, events) == 202
    assert send_hubspot(address, events, late_seconds=301) == 404
    assert len(product.ended("flow=crm")) == 2


def _take_twilios_forms(product: Product) -> None:
    trigger = "on: twilio.message_status, signing: app"
    address = product.publish(write_flow("texts", trigger, "webhookData.Body", product.site_url), probe=False)
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "Body": f"{PHONE_TEXT} & more: äöü +1"}
    wait_for(lambda: send_twilio(address, address, fields) == (200, "<Response></Response>"))
    assert send_twilio(address, address, fields)[0] == 200
    assert send_twilio(address, address.replace("127.0.0.1", "bees.example"), fields)[0] == 404
    wait_for(lambda: received(product, "texts") == [fields["Body"]])
    assert len(product.ended("flow=texts")) == 1


def _take_notions_token_by_hand(product: Product) -> None:
    """As the trigger's `by_hand` tells it."""
    first = write_flow("pages", "on: webhook", "webhookData.verification_token", product.site_url)
    address = product.publish(first)
    told = json.dumps({"verification_token": NOTION_TOKEN}).encode()
    assert call(address, told, {"Content-Type": "application/json"})[0] == 202
    wait_for(lambda: received(product, "pages") == [NOTION_TOKEN])
    connect(product, "notion", {"kind": "signing_secret", "secret": NOTION_TOKEN})
    then = write_flow("pages", "on: notion.page_created, signing: notion", "webhookData.entity.id", product.site_url)
    tenant = product.tenant()
    product.operator().put_text(f"/tenants/{tenant}/flows", then)
    done = product.operator().post(f"/tenants/{tenant}/flows/pages/publish")
    assert done.get("hook_token") in (None, "", address.rpartition("/")[2])
    event: dict[str, object] = {"id": "e1", "type": "page.created", "entity": {"id": "p1", "type": "page"}}
    wait_for(lambda: call(address, b'{"id": "e0"}', {"Content-Type": "application/json"})[0] == 404)
    assert send_notion(address, event | {"id": "e2", "type": "page.deleted"}) == 202
    assert [send_notion(address, event) for _ in range(2)] == [202, 202]
    wait_for(lambda: "p1" in received(product, "pages"))
    assert len(product.ended("flow=pages")) == 2
