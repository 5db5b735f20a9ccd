"""What can be set, read from the environment once and handed on. Used by main's processes only.

The supervisor passes a conduit's and the control plane's settings, keys included, over their standard input: an environment
can be read by others of the same user, a pipe that was read can't.
"""

import os
import ssl
from pathlib import Path
from typing import Final

import msgspec

ATLASSIAN_API: Final = "https://api.atlassian.com"
FORGE_KEYS: Final = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"
APP_ID: Final = "ari:cloud:ecosystem::app/5a3b7a52-2d6c-4f0e-9f57-8c1d6b0e4a11"  # forge/manifest.yml


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one machine.

    Attributes:
        data: folder of the database, the key file and operator.json; made with 0700.
        port: where events come in (conduits). 0 takes a free one.
        operator_port: the control plane's own port, loopback only. 0 takes a free one.
        conduits: how many conduit processes, 1 to 64.
        atlassian_api: where api.atlassian.com is reached; another value is for development and tests.
        forge_keys: the JWKS of invocation tokens.
        app_id: the app's ARI: the audience of invocation tokens.
        environment_id: the Forge environment that this deployment serves; "any" is for development.
        allowed_loopback_ports: loopback ports that outgoing calls may reach; for development and tests, shown in /readyz.
        extra_ca_file: certificates of authorities that outgoing calls trust besides the system's, for third parties with one of
            their own; empty: none.
        require_lockdown: refuse to start where the kernel lacks a lock.
        public_url: where third parties reach the conduits: the beginning of call-back addresses.
        oauth_callback: where vendors send browsers back: this path of a control plane; empty for its own port on loopback.
        database_url: where the control plane keeps things; never told to a conduit.
        host: the address on which a service of a cluster listens.
        kms_keys: AWS KMS keys that wrap tenants' keys instead of the local file's: the first one wraps, all open.
        aws_region, aws_endpoint: where AWS is asked; empty: as AWS's own settings say. Another endpoint is for development.
        log_level: `info`, or `debug`: also where libraries log something, statements of the database included; never what.
    """

    data: Path
    port: int = 8780
    operator_port: int = 8781
    conduits: int = 2
    atlassian_api: str = ATLASSIAN_API
    forge_keys: str = FORGE_KEYS
    app_id: str = APP_ID
    environment_id: str = "any"
    allowed_loopback_ports: tuple[int, ...] = ()
    require_lockdown: bool = False
    public_url: str = ""
    oauth_callback: str = ""
    database_url: str = ""
    host: str = "127.0.0.1"
    log_level: str = "info"
    kms_keys: tuple[str, ...] = ()
    aws_region: str = ""
    aws_endpoint: str = ""
    extra_ca_file: str = ""

    @property
    def reached_at(self) -> str:
        """Where third parties reach the conduits, without a / at its end: `public_url`, or this machine."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.port}"


def read_settings(data: Path | None = None) -> Settings:
    """Read the settings from BLUBEES_… variables.

    Raises:
        ValueError: a variable is not what it may be; the sentence says which and what is allowed.
    """
    given = os.environ
    folder = data or Path(given.get("BLUBEES_DATA", ".blubees"))
    return Settings(
        data=folder,
        database_url=given.get("BLUBEES_DATABASE_URL", ""),
        host=given.get("BLUBEES_HOST", "127.0.0.1"),
        port=_read_number("BLUBEES_PORT", 8780, 0, 65_535),
        operator_port=_read_number("BLUBEES_OPERATOR_PORT", 8781, 0, 65_535),
        conduits=_read_number("BLUBEES_CONDUITS", 2, 1, 64),
        atlassian_api=given.get("BLUBEES_ATLASSIAN_API", ATLASSIAN_API).rstrip("/"),
        forge_keys=given.get("BLUBEES_FORGE_KEYS", FORGE_KEYS),
        app_id=given.get("BLUBEES_APP_ID", APP_ID),
        environment_id=given.get("BLUBEES_ENVIRONMENT_ID", "any"),
        allowed_loopback_ports=_read_ports("BLUBEES_ALLOW_LOOPBACK_PORTS"),
        oauth_callback=given.get("BLUBEES_OAUTH_CALLBACK", ""),
        public_url=given.get("BLUBEES_PUBLIC_URL", "").rstrip("/"),
        require_lockdown=given.get("BLUBEES_REQUIRE_LOCKDOWN", "") == "1",
        log_level=_read_level("BLUBEES_LOG_LEVEL"),
        kms_keys=tuple(each.strip() for each in given.get("BLUBEES_KMS_KEYS", "").split(",") if each.strip()),
        aws_region=given.get("BLUBEES_AWS_REGION", ""),
        aws_endpoint=given.get("BLUBEES_AWS_ENDPOINT", ""),
        extra_ca_file=_read_authorities("BLUBEES_EXTRA_CA_FILE"),
    )


def _read_number(name: str, default: int, low: int, high: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"{name}: {text!r} is not a whole number from {low} to {high}. Change or unset it.")
    return int(text)


def _read_authorities(name: str) -> str:
    text = os.environ.get(name, "")
    if not text:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(text)
    except (OSError, ssl.SSLError):
        raise ValueError(f"{name}: {text!r} can't be read, or is not one of certificates (PEM). Change or unset it.") from None
    return str(Path(text).resolve())


def _read_level(name: str) -> str:
    text = os.environ.get(name, "info")
    if text not in {"info", "debug"}:
        raise ValueError(f"{name}: {text!r} is not info or debug. Change or unset it.")
    return text


def _read_ports(name: str) -> tuple[int, ...]:
    parts = [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
    if not all(part.isdecimal() and 0 < int(part) <= 65_535 for part in parts):  # noqa: PLR2004 - the last port
        raise ValueError(f"{name}: must be port numbers with commas between, such as 8790,8791. Change or unset it.")
    return tuple(int(part) for part in parts)


class ProcessStart(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor tells a child on its standard input.

    Attributes:
        run_key: seals runs; for conduits only (empty for the control plane).
        lease_key: seals leases between the control plane and the conduits.
        listen_fd: the inherited listening socket.
        broker_seed, broker_authority, broker_nodes: in a cluster; see BrokerAddress.
        vault_key_file: of the key that wraps tenants' keys; empty for the one in the data folder.
    """

    settings: Settings
    broker_url: str
    broker_user: str
    broker_password: str
    run_key: bytes
    lease_key: bytes
    listen_fd: int
    operator_token: str = ""
    broker_seed: str = ""
    broker_authority: str = ""
    broker_nodes: int = 1
    vault_key_file: str = ""


def encode_start(start: ProcessStart) -> bytes:
    """Make the line that a child reads."""
    return msgspec.json.encode(start, enc_hook=str) + b"\n"


def decode_start(line: bytes) -> ProcessStart:
    """Read it in the child."""
    return msgspec.json.decode(line, type=ProcessStart, dec_hook=lambda kind, value: kind(value))
