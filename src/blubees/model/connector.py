"""A connector as a noun: what a type of third party offers, and how it is spoken to. Data only; nothing in it is evaluated.

Read from a file by connectors/contract, made from a document by connectors/importers; its actions are in model/action.py.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from blubees.model.action import Action, ErrorRule, Limits, Path, Schema

CATALOGUE: Final = "catalogue"
"""Of Connector.source: written by people, with hooks in Python where it needs some."""


class TriggerSort(StrEnum):
    """How a third party tells what happened: it calls us, or we ask."""

    WEBHOOK = "webhook"
    POLL = "poll"


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the third party's webhooks are received.

    Attributes:
        scheme: a signature scheme of model/flow.py (`hmac_sha256`, `github`, `none`, …), or `hook` for the Python twin's.
        header, prefix, encoding: of hmac_sha256 and hmac.
        digests, signed, time_header, time_unit: of hmac: the hash, what it is over, and when it was sent (Signature).
        token_at: of token: the path in an event of the secret that the vendor was given.
        event_header: the header that names the event; event_at: its path in the body instead.
        delivery_header: the header with the id of the delivery; delivery_at: its path in the body instead.
        delivery_with: further paths in the body, written with dots, where only all together tell a delivery from others.
        each_at: where a delivery has several events, the path of each (`value.*`; `*` alone: the body itself is the list). Each
            starts a run of its own; `event_at` and `delivery_at` are paths in one of them.
        accepted, accepted_type: what is answered, with status 200, where the vendor reads our answer; and its media type.
        challenge_at: the path of what must be answered when the vendor proves our address; empty: it does not.
        challenge_query: the name, in the query, of what must be answered when the vendor proves our address (by GET or POST).
        register: the action that registers our address, with `register_inputs` ("$url", "$secret", "$events", "$expires":
            ours); empty: a person registers it by hand, as `by_hand` tells.
        unregister: the action that takes it back; what `register` gave is its inputs by the same names.
        lasts_seconds: after how long a registration ends by itself; "$expires" is that time (RFC 3339, UTC). 0: it stays.
        renew: the action that lets it last as long again, with `renew_inputs` ("$expires") and, as with `unregister`, what
            `register` gave. It is asked at half the time; where it finds nothing, our address is registered anew.
    """

    scheme: str = "none"
    header: str = ""
    prefix: str = ""
    encoding: str = "hex"
    digests: tuple[str, ...] = ("sha256",)
    signed: tuple[str, ...] = ()
    time_header: str = ""
    time_unit: str = "seconds"
    token_at: Path = ()
    event_header: str = ""
    event_at: Path = ()
    delivery_header: str = ""
    delivery_at: Path = ()
    delivery_with: tuple[str, ...] = ()
    each_at: Path = ()
    accepted: str = ""
    accepted_type: str = ""
    challenge_at: Path = ()
    challenge_query: str = ""
    register: str = ""
    register_inputs: dict[str, Any] = {}
    unregister: str = ""
    lasts_seconds: int = 0
    renew: str = ""
    renew_inputs: dict[str, Any] = {}
    by_hand: str = ""


class PollRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How new things are asked for.

    Attributes:
        action: the action that lists them, with `inputs`.
        since_input: the input that carries the cursor; empty: the list has the newest, and older ones are left out here.
        cursor_at: the path, in an item, of what the next poll goes on from (a time or a growing number). Empty: the list has
            the newest first, and goes on from the id of the first; `inputs` bound it to what came within a day.
        id_at: the path, in an item, of what tells it from others.
        every_seconds: how often, if the flow says nothing.
        settles_seconds: an item may be listed so long after the time that it bears (an upload in parts bears the time of its
            begin): the cursor stays so far behind now. What comes again by that is known by its delivery.
        taken_by: the action that takes away what was listed, called when all of its runs are accepted and not before: of a
            queue, whose messages come again until then. Such a list has no cursor, and `action` may hide what it lists.
        taken_input: the input of that action which is given the list of the items; the others are the list's own, by name.
    """

    action: str
    inputs: dict[str, Any] = {}
    since_input: str = ""
    cursor_at: Path = ()
    id_at: Path
    every_seconds: int = 300
    settles_seconds: int = 0
    taken_by: str = ""
    taken_input: str = ""


class ConnectorTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One kind of event of a connector.

    Attributes:
        events: the vendor's names of what it stands for (webhook).
        schema: the form of what the flow reads as `webhookData` (webhook) or `item` (poll).
        sample: one such, as the vendor documents it; made up, never recorded.
        scopes: the OAuth scopes that its events need, the least; beside those of the actions that ask for it or register it.
    """

    title: str
    description: str = ""
    sort: TriggerSort
    events: tuple[str, ...] = ()
    hook: Hook | None = None
    poll: PollRule | None = None
    schema: Schema = {}
    sample: Any = None
    headers: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    docs_url: str = ""


class AuthScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to authorise calls.

    Attributes:
        kind: a kind of connection (model/connection.py), or `jira_app` for the tenant's own Jira as the app.
        settings: what the kind needs to know and the vendor prescribes: URLs of OAuth, the header's name, signing rules.
        scopes: what each OAuth scope allows.
        docs: for people: where to get the credential.
    """

    kind: str
    title: str = ""
    settings: dict[str, Any] = {}
    scopes: dict[str, str] = {}
    docs: str = ""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a connection must tell beside its secret: it goes into `{name}` of a base URL or of an auth scheme's URLs.

    Attributes:
        pattern: a regular expression (RE2) that the whole text must match: it can't lead to another host than meant.
        choices: the only ones; empty: any that match.
    """

    title: str = ""
    description: str = ""
    example: str = ""
    pattern: str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    choices: tuple[str, ...] = ()
    default: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a connection is tested: an action that reads, with inputs."""

    action: str
    inputs: dict[str, Any] = {}


class Speaks(StrEnum):
    """The protocol of a connector's actions; `hook`: the Python twin speaks it."""

    HTTP = "http"
    MCP = "mcp"
    HOOK = "hook"


class Connector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A type of third party: everything that is known of it.

    Attributes:
        name: lower-case letters, digits, underscores; unique in the catalogue, or in the tenant that imported it.
        base_url: where it is: with `{parameter}` of the connection. It reaches no other host, but those of actions' base URLs.
        parameters: what a connection of it must tell.
        auth: its schemes by name.
        default_auth: alternatives, each the names of schemes that are all needed; empty: any one of `auth`, or none if none.
        trial: how a connection is tested; None: it can't be.
        schemas: forms that others refer to.
        exemptions: checks of the grade that it need not pass, each with the reason.
        source: where it comes from: `catalogue`, `openapi`, `graphql`, `mcp`.
        source_version: the version that the document tells of itself.
    """

    name: str
    title: str
    description: str = ""
    docs_url: str = ""
    base_url: str = ""
    speaks: Speaks = Speaks.HTTP
    parameters: dict[str, Parameter] = {}
    auth: dict[str, AuthScheme] = {}
    default_auth: tuple[tuple[str, ...], ...] = ()
    limits: Limits = Limits()
    errors: tuple[ErrorRule, ...] = ()
    trial: Trial | None = None
    actions: dict[str, Action] = {}
    triggers: dict[str, ConnectorTrigger] = {}
    schemas: dict[str, Schema] = {}
    exemptions: dict[str, str] = {}
    source: str = CATALOGUE
    source_version: str = ""
