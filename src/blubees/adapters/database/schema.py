"""The tables. Every one about a tenant has it in its key. Used by adapters/database and the migrations.

No column can hold payload: ids, numbers, words from closed lists, configuration that the tenant typed, and sealed bytes.
"""

import sqlalchemy as sa

METADATA = sa.MetaData()

TENANTS = sa.Table(
    "tenants",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("environment_id", sa.String(200), nullable=False),
    sa.Column("environment_type", sa.String(20), nullable=False),
    sa.Column("cloud_id", sa.String(36), nullable=False),
    sa.Column("installation_id", sa.String(200), nullable=False),
    sa.Column("licence", sa.String(10), nullable=False),
    sa.Column("uninstalled", sa.Boolean, nullable=False),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    # when its newest goodbye was heard here; 0 for never
    sa.Column("gone_at", sa.BigInteger, nullable=False, server_default="0"),
)

FLOWS = sa.Table(
    "flows",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("flow", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("live_version", sa.Integer, nullable=False),
    sa.Column("newest_version", sa.Integer, nullable=False),
    sa.Column("hook_token_hash", sa.String(64), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)

VERSIONS = sa.Table(
    "flow_versions",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("flow", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("published_at", sa.BigInteger, nullable=False),
    sa.Column("connectors", sa.Text, nullable=False, server_default=""),
)

HOOK_RENEWALS = sa.Table(
    "hook_renewals",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("flow", sa.String(63), primary_key=True),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False, index=True),
    sa.Column("tries", sa.Integer, nullable=False),
)

HOOK_REGISTRATIONS = sa.Table(
    "hook_registrations",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("flow", sa.String(63), primary_key=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("connection", sa.String(63), nullable=False),
    sa.Column("action", sa.String(63), nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
)

HOOK_REMOVALS = sa.Table(
    "hook_removals",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("removal", sa.String(32), primary_key=True),
    sa.Column("flow", sa.String(63), nullable=False),
    sa.Column("connection", sa.String(63), nullable=False),
    sa.Column("action", sa.String(63), nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next", sa.BigInteger, nullable=False),  # 0: given up
    sa.Column("failure", sa.String(120), nullable=False),
    sa.Index("hook_removals_by_time", "next"),
)

TENANT_KEYS = sa.Table(
    "tenant_keys",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # empty once it is destroyed
    sa.Column("minimum", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("wrapped_at", sa.BigInteger, nullable=False, server_default="0"),
)

CONNECTIONS = sa.Table(
    "connections",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("hosts", sa.Text, nullable=False),
    sa.Column("user_name", sa.Text, nullable=False),
    sa.Column("parameter", sa.String(100), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    # what else is known of it and no secret, as a JSON object of texts
    sa.Column("settings", sa.Text, nullable=False, server_default="{}"),
    # the only flows that may use it, with spaces between; empty: all
    sa.Column("flows", sa.Text, nullable=False, server_default=""),
    sa.Column("used_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("changed_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("sealed_at", sa.BigInteger, nullable=False, server_default="0"),
    # its own key, sealed under the tenant's; empty in rows from before it had one
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    # a key that something is sealed under can't go, and nothing can be sealed under one that is gone: docs/decisions/0044
    sa.ForeignKeyConstraint(["tenant", "key_version"], ["tenant_keys.tenant", "tenant_keys.version"], name="connection_key"),
)

SECRET_FIELDS = sa.Table(
    "secret_fields",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("connection", sa.String(63), primary_key=True),
    sa.Column("field", sa.String(63), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("fingerprint", sa.String(12), nullable=False),
    sa.Column("last_four", sa.String(4), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["tenant", "connection"], ["connections.tenant", "connections.name"], name="field_connection", ondelete="CASCADE"
    ),
)

GRANTS = sa.Table(
    "grants",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("connection", sa.String(63), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("renew_at", sa.BigInteger, nullable=False),
    sa.Column("granted_at", sa.BigInteger, nullable=False),
    sa.Column("renewed_at", sa.BigInteger, nullable=False),
    sa.Column("dead_at", sa.BigInteger, nullable=False),
    # what the vendor's answer told and calls need (instance_url), as a JSON object of texts
    sa.Column("kept", sa.Text, nullable=False),
    sa.Column("problem", sa.String(20), nullable=False),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("held_until", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["tenant", "connection"], ["connections.tenant", "connections.name"], name="grant_connection", ondelete="CASCADE"
    ),
    sa.Index("grants_by_renewal", "renew_at"),
)

CONSENTS = sa.Table(
    "consents",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("mark", sa.String(64), primary_key=True),
    sa.Column("connection", sa.String(63), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("asked_by", sa.String(128), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # empty once it has ended
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.ForeignKeyConstraint(
        ["tenant", "connection"], ["connections.tenant", "connections.name"], name="consent_connection", ondelete="CASCADE"
    ),
    sa.Index("consents_by_expiry", "expires_at"),
)

AUDIT_EVENTS = sa.Table(
    "audit_events",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("event", sa.String(27), primary_key=True),  # sorts by time
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(20), nullable=False),
    sa.Column("connection", sa.String(63), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("flow", sa.String(63), nullable=False),
    sa.Column("run", sa.String(27), nullable=False),
    sa.Column("step", sa.String(640), nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("detail", sa.String(40), nullable=False),
    sa.Index("audit_by_time", "at"),
    sa.Index("audit_by_connection", "tenant", "connection", "event"),
)

DERIVED_KEYS = sa.Table(
    "derived_keys",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("purpose", sa.String(40), primary_key=True),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(["tenant", "key_version"], ["tenant_keys.tenant", "tenant_keys.version"], name="derived_key"),
)

TENANT_SETTINGS = sa.Table(
    "tenant_settings",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("parking", sa.String(10), nullable=False),
    sa.Column("replay_seconds", sa.Integer, nullable=False),
    sa.Column("shapes", sa.String(10), nullable=False, server_default="failed"),
    sa.Column("egress_allow", sa.Text, nullable=False, server_default=""),  # rules with spaces between
    sa.Column("egress_deny", sa.Text, nullable=False, server_default=""),
)

SEEN = sa.Table(
    "seen",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("mark", sa.String(64), primary_key=True),  # a keyed hash
    sa.Column("asker", sa.String(32), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("seen_by_expiry", "expires_at"),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("run", sa.String(27), primary_key=True),
    sa.Column("flow", sa.String(63), nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False),
    # how far in its life: twice the number of launches again, and one when it has ended; the larger one counts
    sa.Column("stage", sa.Integer, nullable=False, server_default="1"),
    # which memory of the brokers it was last launched into
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    # what was known when it was accepted (model/receipt.py) as JSON; empty when only its end has come
    sa.Column("accepted", sa.Text, nullable=False, server_default=""),
    # the whole typed receipt (model/receipt.py) as JSON, steps included: read and written as one, never searched; empty before
    sa.Column("receipt", sa.Text, nullable=False),
    # the failed run that it starts anew; empty for none
    sa.Column("retry_of", sa.String(27), nullable=False, server_default=""),
    sa.Index("runs_by_flow", "tenant", "flow", "run"),
    sa.Index("runs_by_time", "run"),
    sa.Index(
        "runs_by_retried",
        "tenant",
        "retry_of",
        sqlite_where=sa.text("retry_of <> ''"),
        postgresql_where=sa.text("retry_of <> ''"),
    ),
    sa.Index(
        "runs_under_way",
        "epoch",
        sqlite_where=sa.text("outcome = 'accepted'"),
        postgresql_where=sa.text("outcome = 'accepted'"),
    ),
)

SCHEDULES = sa.Table(
    "schedules",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("flow", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("timing", sa.Text, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("anchor", sa.BigInteger, nullable=False),
    sa.Column("next_due", sa.BigInteger, nullable=False),
    sa.Column("claimed_due", sa.BigInteger, nullable=False),
    sa.Column("claimed_at", sa.BigInteger, nullable=False),
    sa.Column("deadline", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("missed", sa.Integer, nullable=False),
    sa.Column("last_due", sa.BigInteger, nullable=False),
    sa.Column("answered_at", sa.BigInteger, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failure", sa.String(40), nullable=False),
    sa.Column("http_status", sa.Integer, nullable=False),
    # a reference of the third party's, by a strict pattern (model/schedule.py): what its author was warned of
    sa.Column("cursor", sa.String(200), nullable=False),
    sa.Index("schedules_by_due", "claimed_due", "next_due"),
)

PARKED_RUNS = sa.Table(
    "parked_runs",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("run", sa.String(27), primary_key=True),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("flow", sa.String(63), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("trigger", sa.String(40), nullable=False),
    sa.Column("accepted_at", sa.BigInteger, nullable=False),
    sa.Column("issue", sa.String(20), nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("key_version", sa.Integer),  # none once its key is destroyed
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("woken_in", sa.BigInteger, nullable=False, server_default="0"),
    sa.ForeignKeyConstraint(["tenant", "key_version"], ["tenant_keys.tenant", "tenant_keys.version"], name="parked_key"),
    sa.Index("parked_by_status", "status", "changed_at"),
)

WAITS = sa.Table(
    "waits",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("run", sa.String(27), primary_key=True),
    sa.Column("path", sa.String(640), primary_key=True),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    # which Jira event it waits for, and about which issue: "jira.issue_commented|10001"
    sa.Column("about", sa.String(64), nullable=False),
    # the whole typed wait and its answer (model/parking.py) as JSON: ids, times, hashes and closed words
    sa.Column("wait", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Index("waits_by_due", "due"),
    sa.Index("waits_by_name", "tenant", "name"),
    sa.Index("waits_by_event", "tenant", "about"),
)

SIGN_OFFS = sa.Table(
    "sign_offs",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("run", sa.String(27), primary_key=True),
    sa.Column("path", sa.String(640), primary_key=True),
    # the hash of the exact question (engine/questions.py)
    sa.Column("question", sa.String(64), nullable=False),
    # how many of its notices have gone out, and when the next one is due; 0 for never
    sa.Column("notices", sa.Integer, nullable=False),
    sa.Column("armed_at", sa.BigInteger, nullable=False),
    sa.Column("notice_due", sa.BigInteger, nullable=False),
    sa.Index("sign_offs_by_notice", "notice_due"),
)

SIGN_OFF_ANSWERS = sa.Table(
    "sign_off_answers",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("run", sa.String(27), primary_key=True),
    sa.Column("path", sa.String(640), primary_key=True),
    sa.Column("question", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(128), primary_key=True),
    sa.Column("choice", sa.String(10), nullable=False),
    sa.Column("answered_at", sa.BigInteger, nullable=False),
)

CONNECTORS = sa.Table(
    "connectors",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("source_version", sa.String(60), nullable=False),
    sa.Column("origin", sa.String(2000), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("actions", sa.Integer, nullable=False),
    sa.Column("triggers", sa.Integer, nullable=False),
    sa.Column("imported_at", sa.BigInteger, nullable=False),
    # the noun without actions and forms (model/connector.py), compressed JSON
    sa.Column("packed", sa.LargeBinary, nullable=False),
)

CONNECTOR_ACTIONS = sa.Table(
    "connector_actions",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("connector", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("group_name", sa.String(200), nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("method", sa.String(20), nullable=False),
    sa.Column("path", sa.String(500), nullable=False),
    sa.Column("deprecated", sa.Boolean, nullable=False),
    # what a search looks at: lower-case words, a blank before each
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)

CONNECTOR_FORMS = sa.Table(
    "connector_forms",
    METADATA,
    sa.Column("tenant", sa.String(25), primary_key=True),
    sa.Column("connector", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)
