"""What a connection may be: everything that is wrong with one, without its secrets. Called by vault/secrets.py."""

import re
from collections.abc import Mapping
from typing import Final

from blubees.model.authorisation import KINDS, SECRET_MAX_BYTES, SETTING_MAX_CHARACTERS, check_fields
from blubees.model.connection import ConnectionKind
from blubees.model.ids import CONNECTION_PATTERN, FLOW_PATTERN
from blubees.vault.signing.fitting import check_keys

HOSTS_MAX: Final = 20
FLOWS_MAX: Final = 100
SETTINGS_MAX: Final = 40
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_HOST: Final = re.compile(
    r"(?=.{1,253}(:|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?"
)
_COOKIE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265, section 4.1.1
_ATLASSIAN_HOSTS: Final = ("atlassian.net", "atlassian.com", "jira.com", "jira-dev.com")
_ATLASSIAN_OAUTH: Final = "api.atlassian.com"  # other sites, by a person's consent: docs/decisions/0045
_ATLASSIAN_TOKENS: Final = ("ATATT", "ATCTT", "ATSTT", "ATBBT")
_OUR_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive", "cookie"}
)
_ATLASSIAN_FORBIDS: Final = (
    "Atlassian forbids apps to collect its API tokens. Flows reach Jira through the app itself: use the jira.… steps."
)


def check_connection(
    *,
    name: str,
    kind: ConnectionKind,
    hosts: tuple[str, ...],
    secrets: Mapping[str, str],
    settings: Mapping[str, str],
) -> list[str]:
    """List everything that is wrong with a connection that a person gives; never repeats a secret.

    Args:
        settings: user name and parameter among them.
    """
    problems = []
    if not re.fullmatch(CONNECTION_PATTERN, name):
        problems.append("name: must be 1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit.")
    problems += check_fields(kind, settings, secrets)
    problems += check_secrets(kind, secrets)
    problems += check_settings(settings)
    problems += _check_hosts(kind, hosts)
    if not problems:
        problems += check_keys(kind, settings, secrets)
    if kind is ConnectionKind.API_KEY_HEADER and settings.get("parameter", "").lower() in _OUR_HEADERS:
        problems.append("parameter: this header is set by the client itself; name the vendor's own header.")
    return problems


def check_secrets(kind: ConnectionKind, secrets: Mapping[str, str]) -> list[str]:
    """List what is wrong with secret fields, whoever gives them; never repeats one."""
    problems = []
    for name, secret in secrets.items():
        field = KINDS[kind].find_secret(name)
        if field is None:
            problems.append(f"secrets: {kind.value} has no such secret as one of those that were given.")
            continue
        size = len(secret.encode(errors="replace"))
        if not 1 <= size <= SECRET_MAX_BYTES:
            problems.append(f"{name}: has {size} bytes, allowed are 1 to {SECRET_MAX_BYTES}.")
        allowed = "\n\r\t" if field.is_multiline else ""
        if any((ord(letter) < 32 or ord(letter) == 127) and letter not in allowed for letter in secret):  # noqa: PLR2004 - ASCII control characters
            problems.append(f"{name}: has control characters (a line end?). Paste it without.")
        if kind is ConnectionKind.API_KEY_COOKIE and not _COOKIE.fullmatch(secret):
            problems.append(f"{name}: a cookie has no spaces, quotes, commas, semicolons and backslashes.")
        if secret.startswith(_ATLASSIAN_TOKENS):
            problems.append(f"{name}: looks like an Atlassian API token. {_ATLASSIAN_FORBIDS}")
    return problems


def check_settings(settings: Mapping[str, str]) -> list[str]:
    """List what is wrong with settings."""
    problems = []
    if len(settings) > SETTINGS_MAX:
        problems.append(f"settings: {len(settings)} given, allowed are at most {SETTINGS_MAX}.")
    for name, value in settings.items():
        if not _NAME.fullmatch(name):
            problems.append("settings: a name must be 1 to 63 lower-case letters, digits and underscores.")
        elif len(value) > SETTING_MAX_CHARACTERS or not value.isprintable():
            problems.append(f"settings: {name} must be at most {SETTING_MAX_CHARACTERS} characters without control characters.")
        elif value.startswith(_ATLASSIAN_TOKENS):
            problems.append(f"settings: {name} looks like an Atlassian API token. {_ATLASSIAN_FORBIDS}")
    return problems


def check_flows(flows: tuple[str, ...]) -> list[str]:
    """List what is wrong with the flows that may use a connection."""
    if len(flows) > FLOWS_MAX:
        return [f"flows: {len(flows)} given, allowed are at most {FLOWS_MAX}."]
    return [
        f"flows: number {number} is no flow's id: 1 to 63 lower-case letters, digits and hyphens."
        for number, flow in enumerate(flows, 1)
        if not re.fullmatch(FLOW_PATTERN, flow)
    ]


def _check_hosts(kind: ConnectionKind, hosts: tuple[str, ...]) -> list[str]:
    if not KINDS[kind].is_outgoing:
        return []
    problems = []
    if not 1 <= len(hosts) <= HOSTS_MAX:
        problems.append(f"hosts: {len(hosts)} given, allowed are 1 to {HOSTS_MAX}: the only hosts the secret may go to.")
    for number, host in enumerate(hosts, 1):
        plain = host.partition(":")[0]
        if not _HOST.fullmatch(host):
            problems.append(f"hosts: number {number} is not a plain host or host:port, such as api.example.com.")
        elif kind is ConnectionKind.OAUTH2_CODE and plain == _ATLASSIAN_OAUTH:
            continue
        elif any(plain == each or plain.endswith("." + each) for each in _ATLASSIAN_HOSTS):
            problems.append(f"hosts: number {number} is Atlassian's. {_ATLASSIAN_FORBIDS}")
    return problems
