"""Keys and tokens as Forge has them: invocation tokens (RS256), their JWKS, opaque app tokens. Used by delivery.py and app.py."""

import secrets
import time
import uuid
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import RSAKey

from devsite.settings import APP_ID, ENVIRONMENT_ID, SiteSettings

LIFETIME_SECONDS = 25
APP_TOKEN_SECONDS = 14_400


class TokenMaker:
    """Makes tokens and knows which app tokens are good."""

    def __init__(self, settings: SiteSettings) -> None:
        self.licence = settings.licence
        self._environment_type = settings.environment_type
        self._kid = f"forge/invocation-token/wf-{uuid.uuid4()}"
        self._key = RSAKey.generate_key(2048, {"kid": self._kid})
        self._app_tokens: dict[str, tuple[str, float]] = {}

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [{**self._key.as_dict(private=False), "kid": self._kid, "alg": "RS256", "use": "sig"}]}

    def app_token(self, cloud_id: str) -> str:
        """A good app token of a site: the same one for most of its life."""
        for token, (owner, expires) in self._app_tokens.items():
            if owner == cloud_id and expires - time.time() > APP_TOKEN_SECONDS / 2:
                return token
        token = secrets.token_urlsafe(48)
        self._app_tokens[token] = (cloud_id, time.time() + APP_TOKEN_SECONDS)
        return token

    def is_app_token(self, token: str, cloud_id: str) -> bool:
        """Whether an app token is good for a site."""
        owner, expires = self._app_tokens.get(token, ("", 0.0))
        return owner == cloud_id and time.time() < expires

    def claims(self, cloud_id: str, module_key: str) -> dict[str, Any]:
        """The claims of an event's invocation token: no context, no principal."""
        base = f"https://api.atlassian.com/ex/jira/{cloud_id}"
        installation = f"ari:cloud:ecosystem::installation/{uuid.uuid5(uuid.NAMESPACE_URL, cloud_id)}"
        now = int(time.time())
        app: dict[str, Any] = {
            "id": APP_ID,
            "version": "1",
            "appVersion": "1.0.0",
            "installationId": installation,
            "apiBaseUrl": base,
            "environment": {"type": self._environment_type, "id": ENVIRONMENT_ID},
            "module": {"type": "core:endpoint", "key": module_key},
            "installation": {"id": installation, "contexts": [{"name": "jira", "apiBaseUrl": base}]},
        }
        if self._environment_type == "PRODUCTION" and self.licence != "absent":
            app["license"] = {
                "isActive": self.licence != "inactive",
                "isEvaluation": self.licence == "trial",
                "type": "commercial",
            }
        return {
            "app": app,
            "aud": APP_ID,
            "iss": "forge/invocation-token",
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_hex(16),
        }

    def person_claims(self, cloud_id: str, account: str) -> dict[str, Any]:
        """The claims for a person's call from the UI: they name the person twice, and the UI's module."""
        claims = self.claims(cloud_id, "global")
        claims["app"]["module"]["type"] = "jira:globalPage"
        context = {
            "cloudId": cloud_id,
            "moduleKey": "global",
            "environmentId": ENVIRONMENT_ID,
            "environmentType": self._environment_type,
            "accountId": account,
            "accountType": "licensed",
            "extension": {"type": "jira:globalPage"},
        }
        return {**claims, "context": context, "principal": account}

    def sign(self, claims: dict[str, Any], *, foreign: bool = False) -> str:
        """Sign claims; `foreign` with a key that is not in the JWKS."""
        key = RSAKey.generate_key(2048) if foreign else self._key
        return jws.serialize_compact({"alg": "RS256", "kid": self._kid, "typ": "JWT"}, orjson.dumps(claims), key)
