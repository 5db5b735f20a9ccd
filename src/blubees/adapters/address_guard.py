"""May this address be connected to? Our own deny table, decided on the address itself. Called by adapters/web_client.py.

Python's `is_global` is not enough: on 3.11 it is true for NAT64, 6to4, IPv4-compatible and several more forms of a private
address. Source: IANA's special-purpose registries, read 2026-11.
"""

import ipaddress
from typing import Final

_TABLE_4: Final = tuple(
    (ipaddress.IPv4Network(network), row)
    for network, row in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "cgnat"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud"),  # Azure's own services inside a machine there, with a public address
        ("169.254.0.0/16", "link_local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmark"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_TABLE_6: Final = tuple(
    (ipaddress.IPv6Network(network), row)
    for network, row in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b::/96", "nat64"),
        ("64:ff9b:1::/48", "nat64"),
        ("100::/64", "reserved"),
        ("2001::/32", "teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "six_to_four"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "reserved"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link_local"),
        ("fec0::/10", "site_local"),
        ("ff00::/8", "multicast"),
        ("::ffff:0:0/96", "mapped"),
        ("::ffff:0:0:0/96", "mapped"),
        ("::/96", "compatible"),
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_LOW_32: Final = 0xFFFF_FFFF


def judge_address(address: str, port: int, allowed_loopback_ports: frozenset[int]) -> str | None:
    """Judge an address that is about to be connected to.

    Args:
        address: as the socket layer has it: dotted IPv4, or IPv6 with or without a scope id.
        port: where to.
        allowed_loopback_ports: ports on 127.0.0.0/8 and ::1 that may be reached all the same; for development and tests.

    Returns:
        None when it may be reached, else the row of the deny table.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unreadable"
    if isinstance(parsed, ipaddress.IPv4Address):
        row = next((row for network, row in _TABLE_4 if parsed in network), None)
    elif parsed.scope_id is not None:
        return "link_local"
    else:
        row = _judge_6(parsed)
    return None if row == "loopback" and port in allowed_loopback_ports else row


def _judge_6(address: ipaddress.IPv6Address) -> str | None:
    row = next((row for network, row in _TABLE_6 if address in network), None)
    if row is not None:
        return row
    if address not in _GLOBAL_6:
        return "reserved"
    interface = int(address) & 0xFFFF_FFFF_FFFF_FFFF
    return "isatap" if interface >> 32 in _ISATAP else None
