"""AWS Signature Version 4: signs a call to an AWS service. Used by vault/lease.py.

Source: docs.aws.amazon.com/IAM, "Create a signed AWS API request"; tested against AWS's published suite. Not botocore's signer:
that package is 23 MB, and its signer comes with the whole of it into every conduit.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

import msgspec

from blubees.model.web import WebRequest
from blubees.vault.signing.wire import encode, read_wire

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
SIGNED_ALWAYS: Final = frozenset({"host", "content-type", "content-md5", "date"})
_OURS: Final = frozenset({"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "host"})
_HOST: Final = re.compile(
    r"(?:.+\.)?([a-z0-9-]+)[.-]([a-z]{2}(?:-[a-z]+)+-[0-9])\.(?:amazonaws\.com(?:\.cn)?|on\.aws|api\.aws)"
)
_BUCKET: Final = re.compile(r"(?:.+\.)?s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-[0-9])\.amazonaws\.com(?:\.cn)?")
_GLOBAL: Final = re.compile(r"(?:.+\.)?([a-z0-9-]+)\.amazonaws\.com")
_SIGNING_NAMES: Final = {  # where the host's word is not the one that is signed
    "bedrock-runtime": "bedrock",
    "bedrock-agent": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "email": "ses",
    "lambda-url": "lambda",
    "api": "execute-api",
    "runtime": "sagemaker",
}


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, for which service of which region. `session_token`: of temporary credentials."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str
    session_token: str = ""
    signs_payload: bool = True

    def __repr__(self) -> str:
        """Tell nothing of the keys."""
        return f"AwsKeys(region={self.region}, service={self.service})"


def sign_aws(request: WebRequest, keys: AwsKeys, *, now_milliseconds: int) -> WebRequest:
    """Give the call with its date and its header Authorization.

    For S3 the path is signed as it is, for the others encoded once more and without dots, as AWS says.

    Raises:
        ValueError: the URL can't be read.
    """
    wire = read_wire(request.url)
    is_s3 = keys.service == "s3"
    moment = datetime.fromtimestamp(now_milliseconds // 1_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(request.body).hexdigest() if keys.signs_payload else UNSIGNED
    added = [("X-Amz-Date", moment)]
    if keys.session_token:
        added.append(("X-Amz-Security-Token", keys.session_token))
    if is_s3:
        added.append(("X-Amz-Content-Sha256", payload))
    kept = [pair for pair in request.headers if pair[0].lower() not in _OURS]
    signed = [("host", wire.host), *added, *(pair for pair in kept if _is_signed(pair[0]))]
    path = encode(unquote(wire.path), "/") if is_s3 else encode(tidy_path(wire.path), "/")
    canonical = write_canonical(request.method, path, wire.pairs(), signed, payload)
    header = write_authorization(canonical, signed, keys, moment)
    return msgspec.structs.replace(request, url=wire.url, headers=(*kept, *added, ("Authorization", header)))


def write_canonical(
    method: str, path: str, query: Iterable[tuple[str, str]], headers: Sequence[tuple[str, str]], payload: str
) -> str:
    """Write the canonical request. `path`: encoded as it is signed; `query`: decoded; `headers`: those that are signed."""
    pairs = sorted((encode(name), encode(value)) for name, value in query)
    lines = _gather(headers)
    return "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{value}" for name, value in lines),
            "",
            ";".join(name for name, _ in lines),
            payload,
        ]
    )


def write_authorization(canonical: str, headers: Sequence[tuple[str, str]], keys: AwsKeys, moment: str) -> str:
    """Write the header Authorization. `moment`: as in X-Amz-Date."""
    scope = f"{moment[:8]}/{keys.region}/{keys.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{digest}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    names = ";".join(name for name, _ in _gather(headers))
    return f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def tidy_path(path: str) -> str:
    """Take dots and empty segments out of a path (RFC 3986, section 5.2.4), which S3 alone does not want."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in {"", "."}:
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + end


def name_service(host: str) -> tuple[str, str]:
    """Tell (service, region) by a host's name; empty where it does not say."""
    name = host.partition(":")[0]
    if found := _BUCKET.fullmatch(name):
        return "s3", found[1]
    if found := _HOST.fullmatch(name):
        return _SIGNING_NAMES.get(found[1], found[1]), found[2]
    if found := _GLOBAL.fullmatch(name):
        return _SIGNING_NAMES.get(found[1], found[1]), "us-east-1"
    return "", ""


def _is_signed(name: str) -> bool:
    return name.lower() in SIGNED_ALWAYS or name.lower().startswith("x-amz-")


def _gather(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sort headers by name; join the values of one, and take needless spaces out of them."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(" ".join(value.split()))
    return sorted((name, ",".join(values)) for name, values in found.items())
