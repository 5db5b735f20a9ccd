"""A stand-in for AWS KMS that speaks its JSON protocol and keeps its rules of key states, which moto does not.

Sources: the API reference of AWS KMS (Encrypt, Decrypt, ReEncrypt, DescribeKey, RotateKeyOnDemand, UpdateAlias) and "Key states of
AWS KMS keys" in its developer guide, read 2026-11. What it does beyond: it can be slow and full (throttling), and counts calls.
"""

import base64
import json
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ACCOUNT, REGION = "111122223333", "us-east-1"
ON_DEMAND_MAX = 25


class Refusal(Exception):  # noqa: N818 - as AWS calls it
    """An error of AWS's."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class Key:
    """A symmetric KMS key with all the material that it ever had."""

    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "Enabled"
    material: list[bytes] = field(default_factory=lambda: [os.urandom(32)])

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{self.identity}"

    def expect_usable(self) -> None:
        """Only enabled keys do cryptography: the table of key states."""
        if self.state == "Disabled":
            raise Refusal("DisabledException", f"{self.arn} is disabled.")
        if self.state != "Enabled":
            raise Refusal("KMSInvalidStateException", f"{self.arn} is pending deletion.")


class Kms:
    """Keys, aliases and what it does with them."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.aliases: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.refuse_next: list[Refusal] = []
        self.url = ""

    def create_key(self, alias: str = "") -> Key:
        key = Key()
        self.keys[key.identity] = key
        if alias:
            self.aliases[alias] = key.identity
        return key

    def delete_now(self, key: Key) -> None:
        """Its waiting period is over."""
        del self.keys[key.identity]

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "Encrypt": self._encrypt,
            "Decrypt": self._decrypt,
            "ReEncrypt": self._re_encrypt,
            "DescribeKey": lambda given: {"KeyMetadata": self._describe(self._find(given["KeyId"]))},
            "RotateKeyOnDemand": self._rotate,
        }
        self.calls[operation] += 1
        if self.refuse_next:
            raise self.refuse_next.pop(0)
        if operation not in operations:
            raise Refusal("UnknownOperationException")
        return operations[operation](given)

    def _encrypt(self, given: dict[str, Any]) -> dict[str, Any]:
        key = self._find(given["KeyId"])
        key.expect_usable()
        plain = base64.b64decode(given["Plaintext"])
        if len(plain) > 4096:
            raise Refusal("ValidationException")
        return {"CiphertextBlob": self._seal(key, plain, given), "KeyId": key.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}

    def _decrypt(self, given: dict[str, Any]) -> dict[str, Any]:
        key, plain = self._open(given["CiphertextBlob"], given.get("KeyId"), given.get("EncryptionContext"))
        return {"Plaintext": base64.b64encode(plain).decode(), "KeyId": key.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}

    def _re_encrypt(self, given: dict[str, Any]) -> dict[str, Any]:
        destination = self._find(given["DestinationKeyId"])
        source, plain = self._open(given["CiphertextBlob"], given.get("SourceKeyId"), given.get("SourceEncryptionContext"))
        destination.expect_usable()
        sealed = self._seal(destination, plain, {"EncryptionContext": given.get("DestinationEncryptionContext")})
        return {"CiphertextBlob": sealed, "SourceKeyId": source.arn, "KeyId": destination.arn}

    def _rotate(self, given: dict[str, Any]) -> dict[str, Any]:
        key = self._find(given["KeyId"])
        key.expect_usable()
        if len(key.material) > ON_DEMAND_MAX:
            raise Refusal("LimitExceededException")
        key.material.append(os.urandom(32))
        return {"KeyId": key.arn}

    def _describe(self, key: Key) -> dict[str, Any]:
        return {"KeyId": key.identity, "Arn": key.arn, "KeyState": key.state, "Enabled": key.state == "Enabled"}

    def _find(self, name: str) -> Key:
        name = name.removeprefix(f"arn:aws:kms:{REGION}:{ACCOUNT}:").removeprefix("key/")
        identity = self.aliases.get(name, name)
        if identity not in self.keys:
            raise Refusal("NotFoundException", "Key does not exist")
        return self.keys[identity]

    def _seal(self, key: Key, plain: bytes, given: dict[str, Any]) -> str:
        nonce = os.urandom(12)
        sealed = AESGCM(key.material[-1]).encrypt(nonce, plain, _bind(given.get("EncryptionContext")))
        head = uuid.UUID(key.identity).bytes + bytes([len(key.material) - 1])
        return base64.b64encode(head + nonce + sealed).decode()

    def _open(self, blob: str, name: str | None, context: dict[str, str] | None) -> tuple[Key, bytes]:
        data = base64.b64decode(blob)
        if len(data) < 45:
            raise Refusal("InvalidCiphertextException")
        try:
            identity = str(uuid.UUID(bytes=data[:16]))
        except ValueError:
            raise Refusal("InvalidCiphertextException") from None
        key = self._find(name or identity)
        key.expect_usable()
        if key.identity != identity:
            raise Refusal("IncorrectKeyException")
        try:
            return key, AESGCM(key.material[data[16]]).decrypt(data[17:29], data[29:], _bind(context))
        except (InvalidTag, IndexError):
            raise Refusal("InvalidCiphertextException") from None


def _bind(context: dict[str, str] | None) -> bytes:
    return json.dumps(context or {}, sort_keys=True).encode()


def _expect_signed(signed: str) -> None:
    if not signed.startswith("AWS4-HMAC-SHA256 ") or f"/{REGION}/kms/aws4_request" not in signed:
        raise Refusal("MissingAuthenticationTokenException")


@asynccontextmanager
async def run_kms() -> AsyncIterator[Kms]:
    """Serve one on loopback."""
    kms = Kms()

    async def handle(request: web.Request) -> web.Response:
        kind = "application/x-amz-json-1.1"
        signed = request.headers.get("Authorization", "")
        try:
            _expect_signed(signed)
            target = request.headers["X-Amz-Target"].removeprefix("TrentService.")
            found = kms.answer(target, json.loads(await request.read()))
            return web.Response(text=json.dumps(found), content_type=kind)
        except Refusal as refusal:
            body = json.dumps({"__type": refusal.code, "message": str(refusal)})
            return web.Response(text=body, status=refusal.status, content_type=kind)

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    kms.url = f"http://{host}:{port}"
    yield kms
    await runner.cleanup()
