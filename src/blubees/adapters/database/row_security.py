"""PostgreSQL's own walls between tenants: row-level security, forced, on every table that has a tenant.

Used by adapters/database. Built from the catalogue after each migration, so that a new table needs no thought.
Source: docs/decisions/0005.
"""

from typing import Final

import sqlalchemy as sa

from blubees.model.errors import BluBeesError

_TENANT_TABLES: Final = sa.text("""
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
      AND a.attname = 'tenant' AND NOT a.attisdropped ORDER BY 1
""")
_WALLED_TABLES: Final = sa.text("""
    SELECT c.relname FROM pg_class c
    WHERE c.relrowsecurity AND c.relforcerowsecurity AND c.relnamespace = current_schema()::regnamespace
      AND (SELECT array_agg(p.polname::text ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid)
          = ARRAY['every_tenant_to_read', 'own_tenant']
""")
_ROLE: Final = sa.text("""
    SELECT rolsuper, rolbypassrls,
      EXISTS (SELECT 1 FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
              AND pg_has_role(current_user, c.relowner, 'MEMBER'))
    FROM pg_roles WHERE rolname = current_user
""")
_RIGHTS: Final = {"alembic_version": "SELECT", "audit_events": "SELECT, INSERT, DELETE"}  # what happened is never changed
_OWN: Final = "tenant = current_setting('blubees.tenant', true)"
_ALL: Final = "current_setting('blubees.all_tenants', true) = 'read'"


def build_walls(connection: sa.Connection, role: str) -> None:
    """Put every tenant table behind row-level security, and let the service's role use all tables. For the tables' owner.

    A transaction sees the rows of the tenant that it named, and none when it named none; one that reads for all tenants has to
    say so, and can change nothing by it. Run again, it changes nothing.

    Args:
        role: the service's role; it must be there.
    """
    quote = connection.dialect.identifier_preparer.quote
    for name in connection.execute(_TENANT_TABLES).scalars().all():
        table = quote(name)
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS own_tenant ON {table}",
            f"CREATE POLICY own_tenant ON {table} USING ({_OWN}) WITH CHECK ({_OWN})",
            f"DROP POLICY IF EXISTS every_tenant_to_read ON {table}",
            f"CREATE POLICY every_tenant_to_read ON {table} FOR SELECT USING ({_ALL})",
        ):
            connection.execute(sa.text(statement))
    for name in sa.inspect(connection).get_table_names():
        rights = _RIGHTS.get(name, "SELECT, INSERT, UPDATE, DELETE")
        connection.execute(sa.text(f"GRANT {rights} ON {quote(name)} TO {quote(role)}"))


def find_open_tables(connection: sa.Connection) -> tuple[str, ...]:
    """Name the tables with a tenant that are not behind the wall."""
    walled = set(connection.execute(_WALLED_TABLES).scalars())
    return tuple(name for name in connection.execute(_TENANT_TABLES).scalars() if name not in walled)


def check_walls(connection: sa.Connection) -> None:
    """Refuse a database that would not keep tenants apart for the role we came as.

    Raises:
        BluBeesError: a wall is missing, or this role could walk around them.
    """
    superuser, bypasses, owns = connection.execute(_ROLE).one()
    if superuser or bypasses or owns:
        word = "a superuser" if superuser else "a role with BYPASSRLS" if bypasses else "an owner of the tables"
        raise BluBeesError(
            f"The database's role is {word}, for whom row-level security is no wall. "
            "Name a role of its own in BLUBEES_DATABASE_URL (docs/cluster.md)."
        )
    missing = find_open_tables(connection)
    if missing:
        raise BluBeesError(f"Without row-level security: {', '.join(missing)}. Run: blubees migrate")
