"""A flow as a noun: what a customer writes, after it was read and before it is compiled. Read this file second.

Made by flows/document.py; compiled by engine/plan.py. A structured tree: blocks contain steps, joins are the end of a block.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from blubees.model.connector import Connector
from blubees.model.ids import FlowId, StepId, TenantId
from blubees.model.rules import Input, Runs
from blubees.model.schedule import Missed, Poll, RunsFor


class TriggerKind(StrEnum):
    """What starts a run."""

    ISSUE_CREATED = "jira.issue_created"
    ISSUE_UPDATED = "jira.issue_updated"
    ISSUE_COMMENTED = "jira.issue_commented"
    WEBHOOK = "webhook"
    MANUAL = "manual"
    SCHEDULE = "schedule"
    CALLED = "called"
    POLL = "poll"


class SignatureScheme(StrEnum):
    """How a third party signs its webhooks.

    For connectors only: `hmac`, over the parts that its file names (SignedPart); `token`: no signature, our secret stands in
    each event; `hook`, as its Python twin knows.
    """

    NONE = "none"
    HMAC_SHA256 = "hmac_sha256"
    GITHUB = "github"
    SLACK = "slack"
    STRIPE = "stripe"
    STANDARD_WEBHOOKS = "standard_webhooks"
    GITLAB = "gitlab"
    HMAC = "hmac"
    TOKEN = "token"  # noqa: S105 - a word
    HOOK = "hook"


class SignatureEncoding(StrEnum):
    """How the digest is written in the header (hmac_sha256 and hmac only)."""

    HEX = "hex"
    BASE64 = "base64"


class SignatureDigest(StrEnum):
    """The hash of the HMAC (hmac only). SHA-1 as an HMAC is sound still; some vendors have nothing else."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class SignedPart(StrEnum):
    """What is signed (hmac only): parts one after the other, with nothing between.

    `url`: our public address, as the vendor was given it, with the query. `form`: the fields of a form, each name and its
    value, sorted. `time`: as it is written in `time_header`.
    """

    METHOD = "method"
    URL = "url"
    BODY = "body"
    FORM = "form"
    TIME = "time"


class TimeUnit(StrEnum):
    """What `time_header` counts, since 1970 (hmac only)."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a webhook's sender is recognised.

    Attributes:
        scheme: which scheme.
        connection: the connection of kind `signing_secret` that holds the shared secret; required for all but `none`.
        header: the header that carries the signature (hmac_sha256 and hmac only).
        prefix: what stands before the digest in that header, such as "sha256=" (hmac_sha256 and hmac only).
        encoding: how the digest is written (hmac_sha256 and hmac only).
        digests, signed: the hash, any of them, and what it is over (hmac only).
        time_header, time_unit: what tells when it was sent, where `signed` has the time (hmac only).
    """

    scheme: SignatureScheme = SignatureScheme.NONE
    connection: str = ""
    header: str = ""
    prefix: str = ""
    encoding: SignatureEncoding = SignatureEncoding.HEX
    digests: tuple[SignatureDigest, ...] = (SignatureDigest.SHA256,)
    signed: tuple[SignedPart, ...] = ()
    time_header: str = ""
    time_unit: TimeUnit = TimeUnit.SECONDS


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What starts a run of the flow, and for which events.

    Attributes:
        on: the kind of event.
        where: a smart value that must hold for the event; empty means always.
        from_flows: whether it is also started by what flows did, itself included (Jira events only).
        signature: how a webhook's sender is recognised (webhook only).
        delivery_id_header: the header with the sender's id of the delivery, for senders whose scheme has none (webhook only).
        every_seconds: the interval of a schedule (60 to 2,592,000) or a poll (from 30), counted from its publishing.
        cron: minute, hour, day of month, month, day of week (schedule only, instead of every_seconds).
        time_zone: the IANA name of the zone in which `cron` is read.
        jql: a search of Jira at each tick, 1,000 issues at most (schedule only).
        for_each: whether its result starts one run, or each issue one.
        missed: what happens to ticks that nothing could fire (schedule only).
        poll: whom a poll asks (poll only).
        connector: the connector's trigger that it is, as in `on: slack.message`; `on` is then webhook or poll, and what the
            connector says of it stands in PublishedFlow.connectors. Written by flows/check_trigger.py, never by authors.
        connection: of a connector's trigger: what registers it, or is asked.
        inputs: of a connector's trigger: of the action that registers it, or that is asked.
    """

    on: TriggerKind
    where: str = ""
    from_flows: bool = False
    signature: Signature = Signature()
    delivery_id_header: str = ""
    every_seconds: int = 0
    cron: str = ""
    time_zone: str = "UTC"
    jql: str = ""
    for_each: RunsFor = RunsFor.RESULT
    missed: Missed = Missed.ONCE
    poll: Poll | None = None
    connector: str = ""
    connection: str = ""
    inputs: dict[str, Any] = {}


class OnDoubt(StrEnum):
    """What to do when a process died during an unsafe call, so that nobody knows whether it happened."""

    ASK = "ask"
    FAIL = "fail"
    RETRY = "retry"
    SKIP = "skip"


class RetryOn(StrEnum):
    """Failures after which another try may help: meanings of a third party's answer, or of none, or of BluBees."""

    BUSY = "busy"
    VENDOR_BROKEN = "vendor_broken"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNAVAILABLE = "unavailable"


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often a step is tried, and when.

    Attributes:
        attempts: 2 to 10, the first one included.
        seconds: before the second one, 0.1 to 60; twice as long before each further one, give or take a third, 300 at most.
            When the third party says when to come back, not before.
        on: the failures after which it is tried again. An unsafe call that may have happened (no answer, or an error of the
            third party's own) is tried again only when the step says `on_doubt: retry`.
    """

    attempts: int
    seconds: float = 1.0
    on: tuple[RetryOn, ...] = tuple(RetryOn)


class OnError(StrEnum):
    """What a failure of a step does: it ends the run, or the run goes on, at once or after the step's branch named `error`."""

    FAIL = "fail"
    CONTINUE = "continue"
    BRANCH = "branch"


class Branch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way through a block: its steps, taken when `when` holds. An empty `when` always holds ("else").

    `name` is for people, and in `try` tells what the branch is for.
    """

    name: str = ""
    when: str = ""
    steps: tuple["Step", ...] = ()


class Step(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"settings": "with"},
):
    """One step: a kind, its settings (every text in them is a smart value template) and, for blocks, branches.

    Attributes:
        id: unique in the flow; results are read as `{{steps.<id>.…}}`.
        kind: the step kind's name in the book.
        name: for people; empty means the id.
        settings: what the kind's dataclass takes, written `with` in the document.
        branches: for kinds that are blocks, and the one named `error` where `on_error` is `branch`; else empty.
        on_doubt: when a process died during an unsafe call of this step: park the run and ask a person, end it as in doubt,
            make the call again, or go on as if it had been made (its result is null then).
        retry: how often it is tried.
        timeout_seconds: how long one try may take, 0.1 to 600; 0 for no limit but its own.
        on_error: whether a failure ends the run, or the run goes on with a null result.
    """

    id: StepId
    kind: str
    name: str = ""
    settings: dict[str, Any] = {}
    branches: tuple[Branch, ...] = ()
    on_doubt: OnDoubt = OnDoubt.ASK
    retry: Retry | None = None
    timeout_seconds: float = 0.0
    on_error: OnError = OnError.FAIL


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a customer writes.

    Attributes:
        id: unique in the tenant; letters, digits, hyphens.
        name: for people, 1 to 200 characters.
        description: for people, up to 2,000 characters.
        trigger: what starts a run.
        steps: what a run does, in order.
        inputs: what it is given when it is started by hand or called (triggers manual and called only), by name.
        outputs: what it gives to the flow that calls it: names to smart values, or to {type, value} (manual and called only).
        runs: how its runs stand to each other; none: they do not.
        error_flow: the flow that is started when a run fails; empty for none.
    """

    id: FlowId
    name: str
    description: str = ""
    trigger: Trigger
    steps: tuple[Step, ...]
    inputs: dict[str, Input] = {}
    outputs: dict[str, Any] = {}
    runs: Runs | None = None
    error_flow: str = ""


UNPUBLISHED: Final = 0


class PublishedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a flow as conduits get it ("plan").

    Attributes:
        tenant: whose flow it is.
        version: counts from 1; `UNPUBLISHED`: it is kept nowhere, and neither is a trial of it.
        flow: the document.
        hook_token_hash: hex SHA-256 of the webhook's token (webhook flows only), else empty.
        is_live: whether it starts runs; one that does not is there for runs that were parked with it.
        connectors: those that it uses, with the actions and triggers that it uses only (docs/decisions/0041).
    """

    tenant: TenantId
    version: int
    flow: Flow
    hook_token_hash: str = ""
    is_live: bool = True
    connectors: tuple[Connector, ...] = ()
