"""Rows of tables, as people read them."""

from typing import Any

from blubees.main.cli_tables import tenant_rows


def test_a_site_is_listed_with_when_it_was_seen_and_that_it_is_gone() -> None:
    site: dict[str, Any] = {
        "tenant": "t1",
        "cloud_id": "c1",
        "environment_type": "PRODUCTION",
        "licence": "active",
        "seen_at_milliseconds": 1_795_000_000_000,
    }
    assert tenant_rows([site, site | {"uninstalled": True}]) == [
        ["t1", "c1", "PRODUCTION", "active", "2026-11-18 11:06"],
        ["t1", "c1", "PRODUCTION", "uninstalled", "2026-11-18 11:06"],
    ]
