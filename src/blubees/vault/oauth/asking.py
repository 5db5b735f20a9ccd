"""What is asked of an authorization server: addresses for people, requests for tokens. Pure. Used by grants.py and consents.py.

Source: RFC 6749, 7521, 7523 (JWTs), 7636 (PKCE), 8628 (devices), 8707 (resource).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from blubees.model.authorisation import KINDS
from blubees.model.connection import ConnectionKind
from blubees.model.web import WebRequest
from blubees.vault.signing.jwt import JwtRule, make_jwt, read_rule
from blubees.vault.signing.wire import add_query, encode

TIMEOUT_SECONDS: Final = 15.0
ANSWER_LIMIT_BYTES: Final = 262_144
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OURS: Final = frozenset(
    {"state", "redirect_uri", "response_type", "code_challenge", "code_challenge_method", "client_id", "client_secret"}
)


class Asker:
    """Asks as one connection. Holds its secrets while the request is made, and no longer.

    Args:
        name: makes another `jti` for each JWT.
    """

    def __init__(
        self, kind: ConnectionKind, settings: Mapping[str, str], secrets: Mapping[str, str], *, name: str, now_milliseconds: int
    ) -> None:
        self._kind, self._settings, self._secrets = KINDS[kind], settings, secrets
        self._is_app = kind is ConnectionKind.OAUTH2_APP
        self._is_jwt = kind is ConnectionKind.OAUTH2_JWT
        self._name, self._now = name, now_milliseconds

    def __repr__(self) -> str:
        """Tell nothing of the secrets."""
        return "Asker()"

    def write_authorize_url(self, *, redirect_uri: str, state: str, verifier: str, scopes: tuple[str, ...]) -> str:
        """Write the address at which a person says yes."""
        fields = {
            **self._read_object("authorize_params"),
            "response_type": "code",
            "client_id": self._read("client_id"),
            "redirect_uri": redirect_uri,
            "state": state,
            **self._write_asked(scopes),
        }
        if self._read("pkce") == "S256":
            digest = hashlib.sha256(verifier.encode()).digest()
            fields["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            fields["code_challenge_method"] = "S256"
        return add_query(self._read("authorize_url"), {name: str(value) for name, value in fields.items()})

    def redeem_code(self, code: str, *, redirect_uri: str, verifier: str) -> WebRequest:
        """Ask for the tokens that a code stands for."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self._read("pkce") == "S256":
            fields["code_verifier"] = verifier
        return self._ask(fields)

    def refresh(self, refresh_token: str) -> WebRequest:
        """Ask for the next token. No scopes: those that were granted go on (RFC 6749, section 6)."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def begin_device(self, scopes: tuple[str, ...]) -> WebRequest:
        """Ask for a code that a person types at another device."""
        return self._ask(self._write_asked(scopes), self._read("device_url"))

    def redeem_device(self, device_code: str) -> WebRequest:
        """Ask whether the person has said yes."""
        return self._ask({"grant_type": DEVICE_GRANT, "device_code": device_code})

    def fetch(self, scopes: tuple[str, ...]) -> WebRequest:
        """Ask for a token that no person has to say yes to: as the app, or with a JWT of ours."""
        if self._is_app:
            headers = {"Authorization": f"Bearer {self._make_jwt({}, subject='')}"}
            return self._write(self._read("token_url"), self._read_object("token_params"), headers, as_json=True)
        if self._is_jwt:
            asked = self._write_asked(scopes)
            spoken = {"scope": asked["scope"]} if "scope" in asked else {}  # Google and DocuSign read it in the JWT
            fields: dict[str, Any] = {"grant_type": JWT_GRANT, "assertion": self._make_jwt(spoken), **asked}
            fields |= {each: text for each in ("client_id",) if (text := self._read(each))}
            fields |= {"client_secret": self._secrets["client_secret"]} if "client_secret" in self._secrets else {}
            return self._write(self._read("token_url"), self._read_object("token_params") | fields, {})
        return self._ask({"grant_type": "client_credentials", **self._write_asked(scopes)})

    def _ask(self, fields: dict[str, str], url: str = "") -> WebRequest:
        """Ask, at the token URL if nothing else is said, as the app."""
        how, client = self._read("client_auth"), self._read("client_id")
        headers, named = {}, {"client_id": client}
        if how == "basic":
            pair = f"{encode(client)}:{encode(self._secrets['client_secret'])}"  # RFC 6749, 2.3.1; %20 is read by all
            headers, named = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        elif how == "body":
            named = {"client_id": client, "client_secret": self._secrets["client_secret"]}
        elif how in {"client_secret_jwt", "private_key_jwt"}:
            named |= {"client_assertion_type": ASSERTION, "client_assertion": self._name_client(how, client)}
        further = {} if url else self._read_object("token_params")
        return self._write(url or self._read("token_url"), further | fields | named, headers)

    def _name_client(self, how: str, client: str) -> str:
        """Make the JWT that says which app this is (RFC 7523, section 2.2)."""
        given = read_rule(self._settings)
        is_shared = how == "client_secret_jwt"
        rule = JwtRule(
            algorithm=given.algorithm if is_shared == given.algorithm.startswith("HS") else "HS256" if is_shared else "RS256",
            key_id=given.key_id,
            issuer=client,
            subject=client,
            audience=given.audience or self._read("token_url"),
            lifetime_seconds=given.lifetime_seconds,
        )
        key = self._secrets["client_secret" if is_shared else "private_key"]
        return make_jwt(rule, key, name=self._name, now_milliseconds=self._now)

    def _make_jwt(self, spoken: Mapping[str, str], **more: str) -> str:
        defaults = {"issuer": self._read("client_id"), "audience": "" if self._is_app else self._read("token_url"), **more}
        rule = read_rule(self._settings, **defaults)
        rule = msgspec.structs.replace(rule, claims={**spoken, **rule.claims})
        return make_jwt(rule, self._secrets["private_key"], name=self._name, now_milliseconds=self._now)

    def _write_asked(self, scopes: tuple[str, ...]) -> dict[str, str]:
        asked = {self._read("scope_parameter"): self._read("scope_separator").join(scopes)} if scopes else {}
        return asked | {each: text for each in ("audience", "resource") if (text := self._read(each))}

    def _write(self, url: str, fields: Mapping[str, Any], headers: Mapping[str, str], *, as_json: bool = False) -> WebRequest:
        is_json = as_json or self._read("token_body") == "json"
        body = (
            json.dumps(fields).encode()
            if is_json
            else urlencode({each: _write_value(fields[each]) for each in fields}).encode()
        )
        sent = {
            "Accept": "application/json",
            "Content-Type": "application/json" if is_json else "application/x-www-form-urlencoded",
            **{name: str(value) for name, value in self._read_object("token_headers").items()},
            **headers,
        }
        return WebRequest(
            method="POST",
            url=url,
            headers=tuple(sent.items()),
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
            answer_limit_bytes=ANSWER_LIMIT_BYTES,
        )

    def _read(self, name: str) -> str:
        return self._kind.read(self._settings, name)

    def _read_object(self, name: str) -> dict[str, Any]:
        found = json.loads(self._settings.get(name) or "{}")
        return {each: value for each, value in found.items() if each not in _OURS}


def _write_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
