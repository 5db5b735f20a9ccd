"""Security schemes and requirements as auth schemes and alternatives. Used by connectors/importers/openapi/reader.py."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin

from blubees.connectors.importers.names import to_name, to_text, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.refs import MAIN, Files
from blubees.model.connection import ConnectionKind
from blubees.model.connector import AuthScheme

SCHEMES_MAX: Final = 50
ALTERNATIVES_MAX: Final = 20
SCOPES_MAX: Final = 2_000
_KEYS: Final = {
    "header": ConnectionKind.API_KEY_HEADER,
    "query": ConnectionKind.API_KEY_QUERY,
    "cookie": ConnectionKind.API_KEY_COOKIE,
}
_FLOWS: Final[Mapping[str, ConnectionKind]] = {
    "authorizationCode": ConnectionKind.OAUTH2_CODE,
    "accessCode": ConnectionKind.OAUTH2_CODE,  # Swagger 2.0
    "clientCredentials": ConnectionKind.OAUTH2_CLIENT,
    "application": ConnectionKind.OAUTH2_CLIENT,  # Swagger 2.0
    "deviceAuthorization": ConnectionKind.OAUTH2_DEVICE,  # OpenAPI 3.2
}
_NOT_OURS: Final = frozenset({"implicit", "password"})  # RFC 9700 forbids both


class Security:
    """The schemes of a document, by our names, and what requirements ask for."""

    def __init__(self, files: Files, notes: Notes) -> None:
        self.schemes: dict[str, AuthScheme] = {}
        self._files, self._notes = files, notes
        self._names: dict[str, tuple[str, ...]] = {}
        """The document's name of a scheme to ours: one of OAuth with two flows is two of ours."""

    def read_schemes(self, given: object, file: str) -> None:
        """Read the document's schemes."""
        for number, (name, value) in enumerate(given.items() if isinstance(given, dict) else ()):
            if number >= SCHEMES_MAX:
                self._notes.tell("", f"Of the security schemes the first {SCHEMES_MAX} are taken.")
                break
            scheme, _ = self._files.resolve(value, file)
            made = _read_scheme(scheme, self._files.main)
            if not made:
                self._notes.tell(str(name), "a security scheme of a kind that BluBees does not have is left out.")
            ours = []
            for suffix, each in made:
                chosen = to_name("_".join(filter(None, (str(name), suffix)))) or "auth"
                while chosen in self.schemes:
                    chosen = f"{chosen[:60]}_2" if not chosen.endswith("_2") else f"{chosen}_2"[-63:]
                self.schemes[chosen] = each
                ours.append(chosen)
            self._names[str(name)] = tuple(ours)

    def read_requirement(self, given: object) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """Read a requirement: alternatives, each the schemes that are all needed, and the scopes of the first.

        No scheme at all is an alternative without names. One with a scheme that we do not have is left out.
        """
        alternatives: list[tuple[str, ...]] = []
        scopes: dict[str, None] = {}
        asked = given if isinstance(given, list) else []
        for each in asked[:ALTERNATIVES_MAX]:
            if not isinstance(each, dict):
                continue
            combined: list[tuple[str, ...]] = [()]
            for name in each:
                ours = self._names.get(str(name), ())
                combined = [(*others, one) for others in combined for one in ours][:ALTERNATIVES_MAX]
            alternatives += [one for one in combined if one not in alternatives]
            if combined and not scopes:
                scopes = {
                    scope: None
                    for name, listed in each.items()
                    if isinstance(listed, list)
                    for scope in listed
                    if isinstance(scope, str) and self._is_scope(str(name), scope)
                }
        if not asked and isinstance(given, list):
            alternatives = [()]
        return tuple(alternatives[:ALTERNATIVES_MAX]), tuple(scopes)

    def _is_scope(self, name: str, scope: str) -> bool:
        ours = [self.schemes[each] for each in self._names.get(name, ())]
        return bool(scope) and any(scope in each.scopes for each in ours)


def _read_scheme(scheme: Mapping[str, Any], url: str) -> list[tuple[str, AuthScheme]]:
    """Read one scheme; several for the flows of OAuth; none for what we do not have."""
    kind = scheme.get("type")
    docs = to_text(scheme.get("description"))
    if kind == "apiKey" and scheme.get("in") in _KEYS and isinstance(scheme.get("name"), str):
        settings = {"parameter": scheme["name"][:100]}
        return [("", AuthScheme(kind=_KEYS[scheme["in"]].value, settings=settings, docs=docs))]
    if kind == "basic":
        return [("", AuthScheme(kind=ConnectionKind.BASIC.value, docs=docs))]
    if kind == "http":
        word = str(scheme.get("scheme", "")).lower()
        found = {"basic": ConnectionKind.BASIC, "bearer": ConnectionKind.BEARER}.get(word)
        if found is not None:
            return [("", AuthScheme(kind=found.value, docs=docs))]
        if word in {"token", "apikey", "dpop", "splunk"}:  # a token behind a word of the vendor's own
            return [
                ("", AuthScheme(kind=ConnectionKind.BEARER.value, settings={"prefix": str(scheme["scheme"])[:40]}, docs=docs))
            ]
        return []
    if kind == "mutualTLS":
        return [("", AuthScheme(kind=ConnectionKind.MUTUAL_TLS.value, docs=docs))]
    if kind == "openIdConnect":
        hint = f"Tokens of OpenID Connect; the provider tells its addresses at {to_text(scheme.get('openIdConnectUrl'), 200)}."
        return [("", AuthScheme(kind=ConnectionKind.BEARER.value, title="OpenID Connect", docs=f"{docs}\n{hint}".strip()))]
    return _read_flows(scheme, docs, url) if kind == "oauth2" else []


def _read_flows(scheme: Mapping[str, Any], docs: str, url: str) -> list[tuple[str, AuthScheme]]:
    flows = scheme.get("flows")
    if not isinstance(flows, dict):  # Swagger 2.0 has one, in the scheme itself
        flows = {str(scheme.get("flow")): scheme}
    made = []
    for name, flow in flows.items():
        kind = _FLOWS.get(name)
        if kind is None or not isinstance(flow, dict):
            continue
        settings = {
            ours: urljoin(url, flow[theirs]) if url != MAIN else flow[theirs]
            for ours, theirs in (
                ("authorize_url", "authorizationUrl"),
                ("token_url", "tokenUrl"),
                ("device_url", "deviceAuthorizationUrl"),
            )
            if isinstance(flow.get(theirs), str)
        }
        if kind is ConnectionKind.OAUTH2_CLIENT:
            settings.pop("authorize_url", None)
        scopes = flow.get("scopes")
        kept = {
            str(scope)[:300]: to_text(text, 300)
            for scope, text in list(scopes.items() if isinstance(scopes, dict) else ())[:SCOPES_MAX]
            if str(scope)
        }
        suffix = "" if len(flows) == 1 else {"oauth2_code": "code", "oauth2_client": "client"}.get(kind.value, "device")
        made.append((suffix, AuthScheme(kind=kind.value, settings=settings, scopes=kept, docs=docs)))
    if not made and flows.keys() & _NOT_OURS:
        hint = "The document has only flows of OAuth that are not safe (implicit, password): give a token that you have."
        made.append(
            ("", AuthScheme(kind=ConnectionKind.BEARER.value, title=to_title("Token", ""), docs=f"{docs}\n{hint}".strip()))
        )
    return made
