"""Protocols that are not HTTP, as calls: a call's URL names the protocol, its body and its answer are JSON."""

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.imap import ImapClient
from blubees.adapters.protocols.mysql import MysqlClient
from blubees.adapters.protocols.postgresql import PostgresqlClient
from blubees.adapters.protocols.smtp import SmtpClient
from blubees.ports import Chance, Clock, ProtocolClient


def make_protocols(
    allowed_loopback_ports: frozenset[int], clock: Clock, chance: Chance, extra_ca_file: str | None = None
) -> dict[str, ProtocolClient]:
    """Make the clients, by the scheme of their URLs. All go out through one guard."""
    dialer = Dialer(allowed_loopback_ports, extra_ca_file=extra_ca_file, resolve=None)
    smtp = SmtpClient(dialer, clock, chance)
    return {
        "imaps": ImapClient(BlockingCalls(dialer)),
        "mysql": MysqlClient(BlockingCalls(dialer)),
        "postgresql": PostgresqlClient(dialer),
        "smtp": smtp,
        "smtps": smtp,
    }
