"""Builds the vault: the key provider, the keyring, what opens and what changes keys. Called by main/control_plane.py."""

from dataclasses import dataclass
from pathlib import Path

from blubees.adapters.database import Database
from blubees.adapters.keys import LocalKeyProvider
from blubees.adapters.kms import AwsKeyProvider
from blubees.main.settings import ProcessStart
from blubees.operations.audit import AuditLog
from blubees.operations.farewell import Farewell
from blubees.operations.vault_keys import VaultKeys
from blubees.ports import Chance, Clock, Events, KeyProvider
from blubees.vault.keyring import Keyring
from blubees.vault.rotation import Rotation
from blubees.vault.secrets import VaultService


@dataclass(frozen=True, slots=True)
class VaultParts:
    """The vault of one control plane."""

    keyring: Keyring
    provider: KeyProvider
    vault: VaultService
    keys: VaultKeys
    log: AuditLog


def build_vault(start: ProcessStart, database: Database, clock: Clock, chance: Chance) -> VaultParts:
    """Build it. Raises BluBeesError: the key provider can't be used as it is set."""
    provider = choose_provider(start)
    keyring = Keyring(database.keys, provider, chance, clock)
    vault = VaultService(database.connections, keyring, clock, chance)
    rotation = Rotation(database.keys, database.connections, keyring, provider, vault, chance, clock)
    log = AuditLog(database.audit, clock, chance)
    keys = VaultKeys(database.keys, keyring, provider, rotation, clock, log)
    return VaultParts(keyring, provider, vault, keys, log)


def build_farewell(parts: VaultParts, database: Database, clock: Clock, events: Events) -> Farewell:
    """Build what destroys the keys of sites that say goodbye."""
    return Farewell(database.tenants, database.keys, parts.keyring, parts.provider, parts.keys, parts.log, clock, events)


def choose_provider(start: ProcessStart) -> KeyProvider:
    """Make the key provider that is set."""
    settings = start.settings
    if settings.kms_keys:
        return AwsKeyProvider(settings.kms_keys, region=settings.aws_region, endpoint=settings.aws_endpoint)
    return LocalKeyProvider(Path(start.vault_key_file or settings.data / "keys" / "local.key"))
