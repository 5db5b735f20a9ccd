"""Port KeyProvider with AWS KMS. Built by main/vault_parts.py. Source: docs/decisions/0044, docs/vault.md.

Calls go out by botocore, which knows all ways in which AWS hands out credentials, in threads: tenants' keys are held in memory,
so that there is about one call a tenant in five minutes.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from blubees.model.errors import BluBeesError, InputError, KeyDisabledError, TamperedError, UnavailableError
from blubees.ports import ProviderFacts

if TYPE_CHECKING:
    from botocore.client import BaseClient

FORM: Final = b"K1"
ID_BYTES: Final = 16
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 5.0
ATTEMPTS: Final = 3
LOOK_AGAIN_SECONDS: Final = 300.0  # an alias may be pointed at another key
_REFUSED: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_DISABLED: Final = frozenset(
    {"DisabledException", "KMSInvalidStateException", "NotFoundException", "AccessDeniedException", "InvalidKeyUsageException"}
)
_BUSY: Final = frozenset(
    {
        "ThrottlingException", "RequestLimitExceeded", "KeyUnavailableException", "KMSInternalException",
        "DependencyTimeoutException", "ServiceUnavailableException", "InternalFailure", "RequestTimeout",
    }
)  # fmt: skip
_NO_ROTATION: Final = frozenset({"UnsupportedOperationException", "ConflictException", "LimitExceededException"})


class AwsKeyProvider:
    """Wraps keys by AWS KMS. What is wrapped names its KMS key; only those that are set here are ever asked to open it.

    Args:
        keys: ARNs, ids or aliases; the first one wraps, all open.
        region: empty: as AWS's own settings say.
        endpoint: empty: AWS's own; another one is for development and tests.
    """

    def __init__(self, keys: Sequence[str], *, region: str = "", endpoint: str = "") -> None:
        if not keys:
            raise InputError("BLUBEES_KMS_KEYS: at least one key's ARN, id or alias is needed.")
        self._names, self._region, self._endpoint = tuple(keys), region, endpoint
        self._client: BaseClient | None = None
        self._known: tuple[float, tuple[str, ...]] | None = None
        self._lock = asyncio.Lock()

    async def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        arn = (await self._arns())[0]
        answer = await self._call("encrypt", KeyId=arn, Plaintext=key, EncryptionContext=dict(context))
        return FORM + _name(arn) + bytes(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See the port."""
        arn, blob = await self._find(wrapped)
        answer = await self._call("decrypt", KeyId=arn, CiphertextBlob=blob, EncryptionContext=dict(context))
        return bytes(answer["Plaintext"])

    async def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """See the port. The key itself never leaves KMS for it."""
        arn, blob = await self._find(wrapped)
        newest = (await self._arns())[0]
        answer = await self._call(
            "re_encrypt",
            CiphertextBlob=blob,
            SourceKeyId=arn,
            SourceEncryptionContext=dict(context),
            DestinationKeyId=newest,
            DestinationEncryptionContext=dict(context),
        )
        return FORM + _name(newest) + bytes(answer["CiphertextBlob"])

    async def is_current(self, wrapped: bytes) -> bool:
        """See the port. Whether its key has new material since can't be told from it."""
        return wrapped.startswith(FORM + _name((await self._arns(again=True))[0]))

    async def renew(self) -> None:
        """Have KMS make new material for the newest key (RotateKeyOnDemand), if this role may.

        Raises:
            InputError: KMS does not do that for this key, or not so often.
        """
        try:
            await self._call("rotate_key_on_demand", KeyId=(await self._arns())[0])
        except _RefusedError as error:
            if error.code not in _NO_ROTATION | {"AccessDeniedException"}:
                raise
            raise InputError(
                f"KMS does not rotate this key for us now ({error.code}). Let AWS rotate it yearly, or name another key "
                "first in BLUBEES_KMS_KEYS."
            ) from None

    async def retire(self, in_use: Sequence[bytes]) -> int:
        """Nothing: KMS keys are their owner's to delete."""
        del in_use
        return 0

    async def describe(self) -> ProviderFacts:
        """See the port."""
        arns = await self._arns(again=True)
        return ProviderFacts(kind="AWS KMS", key=arns[0].rpartition("/")[2][:36], keys=len(arns))

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    async def _find(self, wrapped: bytes) -> tuple[str, bytes]:
        """Give the ARN of the key that wrapped it, if it is one of ours, and what KMS gave."""
        name, blob = wrapped[len(FORM) : len(FORM) + ID_BYTES], wrapped[len(FORM) + ID_BYTES :]
        if not wrapped.startswith(FORM) or not blob:
            raise TamperedError
        for again in (False, True):
            for arn in await self._arns(again=again):
                if _name(arn) == name:
                    return arn, blob
        raise TamperedError

    async def _arns(self, *, again: bool = False) -> tuple[str, ...]:
        """Give the ARNs of the keys that are set: an alias may point at another key than it did."""
        async with self._lock:
            now = time.monotonic()
            if self._known is None or again or now - self._known[0] > LOOK_AGAIN_SECONDS:
                arns = [str((await self._call("describe_key", KeyId=name))["KeyMetadata"]["Arn"]) for name in self._names]
                self._known = (now, tuple(dict.fromkeys(arns)))
            return self._known[1]

    async def _call(self, operation: str, **given: object) -> dict[str, Any]:
        return await asyncio.to_thread(self._call_now, operation, given)

    def _call_now(self, operation: str, given: dict[str, object]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow (0.6 s, 36 MB), and only with KMS

        try:
            client = self._client or self._connect()
            answer: dict[str, Any] = getattr(client, operation)(**given)
        except ClientError as error:
            raise _translate(str(error.response.get("Error", {}).get("Code", ""))) from None
        except BotoCoreError as error:
            raise UnavailableError(f"AWS KMS can't be asked ({type(error).__name__}).") from None
        return answer

    def _connect(self) -> "BaseClient":
        import botocore.session  # noqa: PLC0415 - see above
        from botocore.config import Config  # noqa: PLC0415 - see above

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        self._client = botocore.session.get_session().create_client(
            "kms", region_name=self._region or None, endpoint_url=self._endpoint or None, config=config
        )
        return self._client


class _RefusedError(KeyDisabledError):
    """KMS has refused, with this code."""

    def __init__(self, for_user: str, code: str) -> None:
        super().__init__(for_user)
        self.code = code


def _translate(code: str) -> BluBeesError:
    """Say in our words what KMS said; its own sentences name ARNs."""
    if code in _REFUSED:
        return TamperedError()
    if code in _BUSY:
        return UnavailableError(f"AWS KMS does not answer now ({code}).")
    word = "is disabled, or may not be used" if code in _DISABLED else "could not be used"
    return _RefusedError(f"The KMS key {word} ({code or 'no reason given'}). Its owner can change that.", code)


def _name(arn: str) -> bytes:
    """How a wrapped key names its KMS key."""
    return hashlib.sha256(arn.encode()).digest()[:ID_BYTES]
