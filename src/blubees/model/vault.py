"""What is done with the vault's keys, as nouns. Made by vault/rotation.py; told by the operator API."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """Which keys are changed: the key provider's, a tenant's, or those of connections."""

    KMS = "kms"
    TENANT = "tenant"
    SECRET = "secret"  # noqa: S105 - a level's name


class RotationStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a rotation.

    Attributes:
        changed: how many rows it has changed.
        after: where the next step goes on; empty: it is done.
        stuck: connections, runs and purposes whose row does not open: they stay under an older key.
        version: the newest version of the tenant's key.
    """

    changed: int
    after: str = ""
    stuck: tuple[str, ...] = ()
    version: int = 0
