"""OAuth 1.0a: signs a call with the consumer's and the token's secrets, or with a private key. Used by vault/lease.py.

Source: RFC 5849; HMAC-SHA256 and RSA-SHA256 as NetSuite and Jira Data Center document them. A library was considered: the
well-kept ones keep this part to themselves, or take clock and chance where we can't see it.
"""

import base64
import hashlib
import hmac
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from blubees.model.web import WebRequest
from blubees.vault.signing.wire import Wire, encode, find_header, read_wire

FORM: Final = "application/x-www-form-urlencoded"


class SignatureMethod(StrEnum):
    """How a call is signed."""

    HMAC_SHA1 = "HMAC-SHA1"
    HMAC_SHA256 = "HMAC-SHA256"
    RSA_SHA1 = "RSA-SHA1"
    RSA_SHA256 = "RSA-SHA256"
    PLAINTEXT = "PLAINTEXT"


class OAuth1Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, and with what. `private_key`: PEM, for the RSA methods."""

    consumer_key: str
    consumer_secret: str = ""
    token: str = ""
    token_secret: str = ""
    method: SignatureMethod = SignatureMethod.HMAC_SHA1
    realm: str = ""
    private_key: str = ""

    def __repr__(self) -> str:
        """Tell nothing of the keys."""
        return f"OAuth1Keys(method={self.method.value})"


def sign_oauth1(request: WebRequest, keys: OAuth1Keys, *, nonce: str, now_milliseconds: int) -> WebRequest:
    """Give the call with its header Authorization.

    Args:
        nonce: letters and digits, another one for each call.

    Raises:
        ValueError: the URL can't be read, or the key is no RSA key.
    """
    wire = read_wire(request.url)
    own = {
        "oauth_consumer_key": keys.consumer_key,
        "oauth_nonce": nonce,
        "oauth_signature_method": keys.method.value,
        "oauth_timestamp": str(now_milliseconds // 1_000),
        "oauth_version": "1.0",
    }
    if keys.token:
        own["oauth_token"] = keys.token
    base = write_base_string(request, wire, own)
    own["oauth_signature"] = _sign(base, keys)
    shown = ({"realm": keys.realm} if keys.realm else {}) | own
    header = "OAuth " + ", ".join(f'{encode(name)}="{encode(value)}"' for name, value in shown.items())
    return msgspec.structs.replace(request, url=wire.url, headers=(*request.headers, ("Authorization", header)))


def write_base_string(request: WebRequest, wire: Wire, own: dict[str, str]) -> str:
    """Write what is signed (RFC 5849, section 3.4.1). `own`: the protocol's parameters, without realm and signature."""
    pairs = [*wire.pairs(), *own.items()]
    kind = (find_header(request, "content-type") or "").partition(";")[0].strip().lower()
    if kind == FORM:
        pairs += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    encoded = sorted((encode(name), encode(value)) for name, value in pairs)
    parameters = "&".join(f"{name}={value}" for name, value in encoded)
    address = f"{wire.scheme}://{wire.host}{wire.path}"
    return "&".join(encode(each) for each in (request.method.upper(), address, parameters))


def _sign(base: str, keys: OAuth1Keys) -> str:
    if keys.method in {SignatureMethod.RSA_SHA1, SignatureMethod.RSA_SHA256}:
        key = load_pem_private_key(keys.private_key.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key")
        digest = hashes.SHA1() if keys.method is SignatureMethod.RSA_SHA1 else hashes.SHA256()  # noqa: S303 - RFC 5849
        return base64.b64encode(key.sign(base.encode(), padding.PKCS1v15(), digest)).decode()
    secret = f"{encode(keys.consumer_secret)}&{encode(keys.token_secret)}"
    if keys.method is SignatureMethod.PLAINTEXT:
        return secret
    function = hashlib.sha1 if keys.method is SignatureMethod.HMAC_SHA1 else hashlib.sha256
    return base64.b64encode(hmac.new(secret.encode(), base.encode(), function).digest()).decode()
