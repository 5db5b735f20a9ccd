"""The kinds of connections as one table: what each needs to know, and what of that is secret. Checked when one is saved.

Used by the vault, which keeps the fields; by vault/signing, which uses them; by connector files, whose `auth` names a kind.
Source: docs/connections.md, docs/decisions/0045-authorisation.md.
"""

import json
import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from blubees.model.connection import ConnectionKind

SETTING_MAX_CHARACTERS: Final = 4_096
SECRET_MAX_BYTES: Final = 16_384
HEADER_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
COOKIE_NAME: Final = HEADER_NAME  # RFC 6265: a token of RFC 9110
TEXT: Final = r"[^\x00-\x1f\x7f]+"
WORD: Final = r"[\x21-\x7e]+"


class Sort(StrEnum):
    """What a setting's text is."""

    TEXT = "text"
    URL = "url"
    SCOPES = "scopes"
    NUMBER = "number"
    JSON = "json"


class SecretField(msgspec.Struct, frozen=True, kw_only=True):
    """One secret of a kind.

    Attributes:
        is_multiline: it may have line ends (PEM).
        is_granted: nobody types it: it comes from the vendor's token endpoint, and may go only where its kind says.
    """

    name: str
    title: str
    is_required: bool = True
    is_multiline: bool = False
    is_granted: bool = False


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a kind needs to know and that is no secret.

    Attributes:
        pattern: the whole text matches it. choices: the only ones; empty: any.
        default: what it is when nothing is said; with one, it is never required.
        low, high: of a number.
    """

    name: str
    title: str
    is_required: bool = False
    sort: Sort = Sort.TEXT
    pattern: str = TEXT
    choices: tuple[str, ...] = ()
    default: str = ""
    low: int = 0
    high: int = 0


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of connection.

    Attributes:
        summary: what it does to a call.
        is_outgoing: it authorises calls, and needs to know the hosts that they may go to.
        has_grant: its token is fetched and renewed by the control plane (vault/grants); conduits see only that token.
    """

    summary: str
    secrets: tuple[SecretField, ...]
    settings: tuple[SettingField, ...] = ()
    is_outgoing: bool = True
    has_grant: bool = False

    def find_secret(self, name: str) -> SecretField | None:
        """Give one of its secrets, client certificates included."""
        known = (*self.secrets, *(CERTIFICATE if self.is_outgoing else ()))
        return next((each for each in known if each.name == name), None)

    def read(self, settings: Mapping[str, str], name: str) -> str:
        """Give a setting, or its default."""
        given = settings.get(name, "")
        return given or next((each.default for each in self.settings if each.name == name), "")


CONNECTOR: Final = "connector"
"""The setting of any outgoing kind that names the connector which the connection is for."""
PARAMETER_PREFIX: Final = "param_"
"""Settings of any outgoing kind that tell its connector's parameters: `param_site` is `{site}` in its base URL."""
CONSENTED: Final = frozenset({ConnectionKind.OAUTH2_CODE, ConnectionKind.OAUTH2_DEVICE})
"""The kinds for which a person says yes, and must say it again when their grant is dead."""

_PREFIX: Final = SettingField(name="prefix", title="what stands before it, such as Bearer")
CERTIFICATE: Final = (
    SecretField(name="client_certificate", title="our certificate, PEM", is_required=False, is_multiline=True),
    SecretField(name="client_key", title="its private key, PEM, not encrypted", is_required=False, is_multiline=True),
)
"""Every outgoing kind may have both: then calls are made with mutual TLS."""
_KEY: Final = (SecretField(name="key", title="the key"),)
_PRIVATE_KEY: Final = SecretField(name="private_key", title="private key, PEM", is_required=False, is_multiline=True)
_ALGORITHM: Final = SettingField(
    name="algorithm",
    title="how JWTs are signed",
    choices=("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384"),
    default="RS256",
)
_JWT: Final = (
    _ALGORITHM,
    SettingField(name="key_id", title="`kid` in the JWT's head"),
    SettingField(name="issuer_of_jwt", title="`iss` of the JWT; empty: the client id"),
    SettingField(name="subject", title="`sub` of the JWT: on whose behalf"),
    SettingField(name="audience_of_jwt", title="`aud` of the JWT; empty: the token URL"),
    SettingField(
        name="lifetime_seconds", title="how long the JWT is good for", sort=Sort.NUMBER, default="300", low=10, high=3_600
    ),
    SettingField(name="claims", title="further claims, a JSON object", sort=Sort.JSON),
)
_CLIENT: Final = (
    SettingField(name="client_id", title="the client id of the app at the vendor", is_required=True),
    SettingField(
        name="client_auth",
        title="how the app says who it is at the token URL",
        choices=("basic", "body", "none", "client_secret_jwt", "private_key_jwt"),
        default="basic",
    ),
)
_ASKED: Final = (
    SettingField(name="scopes", title="what is asked for", sort=Sort.SCOPES),
    SettingField(name="scope_separator", title="between scopes, if not a space", choices=(" ", ",", "+"), default=" "),
    SettingField(name="scope_parameter", title="name of the scopes' parameter", pattern=WORD, default="scope"),
    SettingField(name="audience", title="`audience` that is asked for"),
    SettingField(name="resource", title="`resource` that is asked for (RFC 8707)", sort=Sort.URL),
)
_TOKEN: Final = (
    SettingField(name="token_url", title="where tokens are given", is_required=True, sort=Sort.URL),
    SettingField(name="token_body", title="how the token URL is spoken to", choices=("form", "json"), default="form"),
    SettingField(name="token_params", title="further parameters at the token URL, a JSON object", sort=Sort.JSON),
    SettingField(name="token_headers", title="further headers at the token URL, a JSON object", sort=Sort.JSON),
    SettingField(name="token_at", title="the token's path in the answer", pattern=WORD, default="access_token"),
    SettingField(
        name="grant_at", title="the path of the part of the answer that is the grant (authed_user at Slack)", pattern=WORD
    ),
    SettingField(
        name="dead_errors",
        title="the vendor's own words for a grant that is no more (invalid_refresh_token), with commas between",
        pattern=WORD,
    ),
    SettingField(name="keep", title="fields of the answer that calls need (instance_url), with commas between", pattern=WORD),
    SettingField(
        name="keep_hosts",
        title="which hosts a kept URL may lead to (*.my.salesforce.com), with commas between",
        pattern=WORD,
    ),
    SettingField(
        name="lives_seconds",
        title="how long a token lives when the answer does not say; 0: until it is refused",
        sort=Sort.NUMBER,
        default="0",
        high=31_536_000,
    ),
    SettingField(name="place", title="where the token goes in a call", choices=("header", "query"), default="header"),
    SettingField(
        name="parameter", title="the header's or query parameter's name", pattern=HEADER_NAME, default="Authorization"
    ),
    SettingField(name="prefix", title="what stands before the token", default="Bearer"),
)
_REUSE: Final = SettingField(
    name="reuse_seconds",
    title="how long the vendor takes a one-time refresh token once more",
    sort=Sort.NUMBER,
    default="0",
    high=86_400,
)
_CLIENT_SECRETS: Final = (
    SecretField(name="client_secret", title="the app's secret at the vendor", is_required=False),
    _PRIVATE_KEY,
)
_ACCESS: Final = SecretField(name="access_token", title="the token", is_required=False, is_granted=True)
_REFRESH: Final = (
    SecretField(name="refresh_token", title="what renews it", is_required=False, is_granted=True),
    SecretField(name="earlier_refresh_token", title="the one before", is_required=False, is_granted=True),
)
_THE_KEY: Final = SecretField(name="private_key", title="private key, PEM", is_multiline=True)
_SIGNATURE_METHODS: Final = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "RSA-SHA256", "PLAINTEXT")

KINDS: Final[dict[ConnectionKind, Kind]] = {
    ConnectionKind.BEARER: Kind(
        summary="a token in the header Authorization",
        secrets=(SecretField(name="token", title="the token"),),
        settings=(SettingField(name="prefix", title="what stands before it", default="Bearer"),),
    ),
    ConnectionKind.BASIC: Kind(
        summary="user name and password in the header Authorization",
        secrets=(SecretField(name="password", title="the password, or the key"),),
        settings=(
            SettingField(name="user_name", title="the user name", pattern=r"[^\x00-\x1f\x7f:]+"),
            SettingField(
                name="secret_is",
                title="which half is the secret: some vendors want a key as the user's name",
                choices=("password", "user_name"),
                default="password",
            ),
        ),
    ),
    ConnectionKind.API_KEY_HEADER: Kind(
        summary="a key in a header of its own",
        secrets=_KEY,
        settings=(
            SettingField(name="parameter", title="the header's name", is_required=True, pattern=HEADER_NAME),
            _PREFIX,
        ),
    ),
    ConnectionKind.API_KEY_QUERY: Kind(
        summary="a key in the query",
        secrets=_KEY,
        settings=(SettingField(name="parameter", title="the parameter's name", is_required=True, pattern=HEADER_NAME),),
    ),
    ConnectionKind.API_KEY_COOKIE: Kind(
        summary="a key as a cookie",
        secrets=_KEY,
        settings=(SettingField(name="parameter", title="the cookie's name", is_required=True, pattern=COOKIE_NAME),),
    ),
    ConnectionKind.OAUTH1: Kind(
        summary="calls signed by OAuth 1.0a (RFC 5849)",
        secrets=(
            SecretField(name="consumer_secret", title="the consumer's secret", is_required=False),
            SecretField(name="token_secret", title="the token's secret", is_required=False),
            _PRIVATE_KEY,
        ),
        settings=(
            SettingField(name="consumer_key", title="the consumer's key", is_required=True),
            SettingField(name="token", title="the token"),
            SettingField(
                name="signature_method",
                title="how calls are signed",
                choices=_SIGNATURE_METHODS,
                default="HMAC-SHA1",
            ),
            SettingField(name="realm", title="the realm (NetSuite: the account)"),
        ),
    ),
    ConnectionKind.OAUTH2_CODE: Kind(
        summary="a token by OAuth 2: a person says yes in a browser",
        secrets=(*_CLIENT_SECRETS, _ACCESS, *_REFRESH),
        settings=(
            *_CLIENT,
            SettingField(name="authorize_url", title="where a person says yes", is_required=True, sort=Sort.URL),
            SettingField(
                name="authorize_params", title="further parameters of the authorize URL, a JSON object", sort=Sort.JSON
            ),
            SettingField(name="issuer", title="who must stand in the answer's `iss` (RFC 9207)"),
            SettingField(name="registration_url", title="where a client registers itself (RFC 7591)", sort=Sort.URL),
            SettingField(name="pkce", title="none where the vendor refuses S256", choices=("S256", "none"), default="S256"),
            *_ASKED,
            *_TOKEN,
            _REUSE,
            *_JWT,
        ),
        has_grant=True,
    ),
    ConnectionKind.OAUTH2_DEVICE: Kind(
        summary="a token by OAuth 2: a person types a code at another device (RFC 8628)",
        secrets=(*_CLIENT_SECRETS, _ACCESS, *_REFRESH),
        settings=(
            *_CLIENT,
            SettingField(name="device_url", title="where device codes are given", is_required=True, sort=Sort.URL),
            *_ASKED,
            *_TOKEN,
            _REUSE,
            *_JWT,
        ),
        has_grant=True,
    ),
    ConnectionKind.OAUTH2_CLIENT: Kind(
        summary="a token by OAuth 2 for the app itself (client credentials)",
        secrets=(*_CLIENT_SECRETS, _ACCESS),
        settings=(*_CLIENT, *_ASKED, *_TOKEN, *_JWT),
        has_grant=True,
    ),
    ConnectionKind.OAUTH2_JWT: Kind(
        summary="a token for a JWT of our own (RFC 7523): service accounts",
        secrets=(
            _THE_KEY,
            SecretField(name="client_secret", title="the app's secret, where the vendor asks for it", is_required=False),
            _ACCESS,
        ),
        settings=(SettingField(name="client_id", title="the client id, where the vendor asks for it"), *_ASKED, *_TOKEN, *_JWT),
        has_grant=True,
    ),
    ConnectionKind.OAUTH2_APP: Kind(
        summary="a token of an app's installation, asked for with a JWT of our own (GitHub Apps)",
        secrets=(_THE_KEY, _ACCESS),
        settings=(
            SettingField(name="client_id", title="the app's id", is_required=True),
            *(msgspec.structs.replace(each, default="token") if each.name == "token_at" else each for each in _TOKEN),
            SettingField(
                name="expires_at", title="the path of the time when the token ends", pattern=WORD, default="expires_at"
            ),
            *_JWT,
        ),
        has_grant=True,
    ),
    ConnectionKind.JWT: Kind(
        summary="a JWT of our own making in the header Authorization",
        secrets=(SecretField(name="shared_key", title="the shared key (HS256…)", is_required=False), _PRIVATE_KEY),
        settings=(*_JWT, SettingField(name="prefix", title="what stands before it", default="Bearer")),
        has_grant=True,
    ),
    ConnectionKind.AWS_SIGV4: Kind(
        summary="calls signed by AWS Signature Version 4",
        secrets=(
            SecretField(name="secret_access_key", title="the secret access key"),
            SecretField(name="session_token", title="the session token", is_required=False),
        ),
        settings=(
            SettingField(name="access_key_id", title="the access key's id", is_required=True, pattern=r"[A-Za-z0-9]{16,128}"),
            SettingField(name="region", title="the region; empty: as the host says", pattern=r"[a-z0-9-]{1,40}"),
            SettingField(name="service", title="the service; empty: as the host says", pattern=r"[a-z0-9-]{1,40}"),
            SettingField(
                name="payload",
                title="whether the body is signed; unsigned: S3 only",
                choices=("signed", "unsigned"),
                default="signed",
            ),
        ),
    ),
    ConnectionKind.SIGNED_HEADERS: Kind(
        summary="headers with a signature over parts of the call, by a rule of the vendor's own",
        secrets=(SecretField(name="secret", title="the key that signs"),),
        settings=(
            SettingField(name="key_id", title="which key it is"),
            SettingField(
                name="rule", title="what is signed and where it goes, a JSON object", is_required=True, sort=Sort.JSON
            ),
        ),
    ),
    ConnectionKind.MUTUAL_TLS: Kind(
        summary="our certificate, shown when the connection is made",
        secrets=tuple(msgspec.structs.replace(each, is_required=True) for each in CERTIFICATE),
    ),
    ConnectionKind.SIGNING_SECRET: Kind(
        summary="checks what comes in; authorises nothing",
        secrets=(SecretField(name="secret", title="the secret that senders sign with"),),
        is_outgoing=False,
    ),
}


def list_leased(kind: ConnectionKind) -> tuple[str, ...]:
    """Name the secrets of a kind that conduits may have, the main one first. All others stay in the control plane."""
    known = KINDS[kind]
    own = ("access_token",) if known.has_grant else tuple(each.name for each in known.secrets)
    certificate = (each.name for each in CERTIFICATE) if known.is_outgoing else ()
    return tuple(dict.fromkeys((*own, *certificate)))


def write_settings(given: Mapping[str, Any]) -> dict[str, str]:
    """Write settings as they are kept, all text: a list with spaces between (scopes), an object as JSON."""
    written = {}
    for name, value in given.items():
        if isinstance(value, str):
            written[name] = value
        elif isinstance(value, list | tuple):
            written[name] = " ".join(str(each) for each in value)
        elif isinstance(value, bool) or not isinstance(value, int):
            written[name] = json.dumps(value, separators=(",", ":"))
        else:
            written[name] = str(value)
    return written


def check_fields(kind: ConnectionKind, settings: Mapping[str, str], secrets: Collection[str]) -> list[str]:
    """List everything that is wrong with the settings, and with which secrets there are; never repeats a value.

    Args:
        secrets: the names of those that are given.
    """
    known = KINDS[kind]
    problems = _check_names(kind, known, settings, secrets)
    for each in known.settings:
        text = settings.get(each.name, "")
        if text:
            problems += _check_setting(each, text)
        elif each.is_required and not each.default:
            problems.append(f"{each.name}: {kind.value} needs it: {each.title}.")
    problems += [
        f"{each.name}: {kind.value} needs this secret: {each.title}."
        for each in known.secrets
        if each.is_required and each.name not in secrets
    ]
    if ("client_certificate" in secrets) != ("client_key" in secrets) and kind is not ConnectionKind.MUTUAL_TLS:
        problems.append("client_certificate: a certificate and its client_key go together; one of them is missing.")
    return [*problems, *_check_together(kind, known, settings, secrets)]


def _check_names(kind: ConnectionKind, known: Kind, settings: Mapping[str, str], secrets: Collection[str]) -> list[str]:
    names = {each.name for each in known.settings}

    def is_known(name: str) -> bool:
        return name in names or (known.is_outgoing and (name == CONNECTOR or name.startswith(PARAMETER_PREFIX)))

    allowed = ", ".join(sorted(names)) or "none"
    problems = [f"{name}: {kind.value} has no such setting; known are {allowed}." for name in settings if not is_known(name)]
    typed = [each.name for each in known.secrets if not each.is_granted]
    typed += [each.name for each in CERTIFICATE if known.is_outgoing and each.name not in typed]
    for name in secrets:
        field = known.find_secret(name)
        if field is None:
            problems.append(f"{name}: {kind.value} has no such secret; known are {', '.join(typed)}.")
        elif field.is_granted:
            problems.append(f"{name}: nobody types this one: `connection authorize` fetches it.")
    return problems


def _check_setting(field: SettingField, text: str) -> list[str]:
    if len(text) > SETTING_MAX_CHARACTERS:
        return [f"{field.name}: has {len(text)} characters, allowed are {SETTING_MAX_CHARACTERS}."]
    if field.choices and text not in field.choices:
        return [f"{field.name}: must be one of {', '.join(field.choices)}."]
    if field.sort is Sort.URL:
        return [] if _is_url(text) else [f"{field.name}: must be an absolute https address without user and fragment."]
    if field.sort is Sort.NUMBER:
        is_good = text.isdecimal() and len(text) < 12 and field.low <= int(text) <= field.high  # noqa: PLR2004 - no giant
        return [] if is_good else [f"{field.name}: must be a whole number from {field.low} to {field.high}."]
    if field.sort is Sort.JSON:
        return [] if _is_object(text) else [f"{field.name}: must be a JSON object."]
    if not re.fullmatch(field.pattern, text):
        return [f"{field.name}: has characters that it may not have. It is {field.title}."]
    return []


def _check_together(kind: ConnectionKind, known: Kind, settings: Mapping[str, str], secrets: Collection[str]) -> list[str]:
    """Check what one field asks of another."""
    if kind is ConnectionKind.BASIC and known.read(settings, "secret_is") == "password" and not settings.get("user_name"):
        return ["user_name: basic needs one, without a colon."]
    if kind is ConnectionKind.OAUTH1:
        wanted = "private_key" if known.read(settings, "signature_method").startswith("RSA") else "consumer_secret"
        return [] if wanted in secrets else [f"{wanted}: this signature_method needs this secret."]
    if kind is ConnectionKind.JWT:
        wanted = "shared_key" if known.read(settings, "algorithm").startswith("HS") else "private_key"
        return [] if wanted in secrets else [f"{wanted}: this algorithm needs this secret."]
    if kind is ConnectionKind.AWS_SIGV4 and known.read(settings, "payload") == "unsigned" and settings.get("service") != "s3":
        return ["payload: only the service s3 takes unsigned bodies."]
    if kind is ConnectionKind.OAUTH2_JWT and not (settings.get("issuer_of_jwt") or settings.get("client_id")):
        return ["issuer_of_jwt: oauth2_jwt needs it (a service account's e-mail address)."]
    if not any(each.name == "client_auth" for each in known.settings):
        return []
    client_auth = known.read(settings, "client_auth")
    if client_auth in {"basic", "body", "client_secret_jwt"} and "client_secret" not in secrets:
        return [f"client_secret: client_auth {client_auth} needs this secret; an app without one has `none`."]
    if client_auth == "private_key_jwt" and "private_key" not in secrets:
        return ["private_key: client_auth private_key_jwt needs this secret."]
    return []


def _is_url(text: str) -> bool:
    """Whether it is an address that a token endpoint may have; plain http is for loopback, which the web client decides."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    is_plain = not any(ord(letter) <= 32 or letter == "\\" for letter in text)  # noqa: PLR2004 - space and below
    return bool(
        is_plain and parts.scheme in {"https", "http"} and parts.hostname and "@" not in parts.netloc and port != 0
    ) and not (parts.fragment or "#" in text)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
