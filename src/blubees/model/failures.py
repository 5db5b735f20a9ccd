"""What can go wrong in a run, as a closed list. Steps give them, receipts carry them, people read them.

A failure never holds a value from the wire: a code, a place and numbers only.
"""

from enum import StrEnum
from typing import Final

import msgspec


class Fault(StrEnum):
    """Whose fault a failure is: who can mend it."""

    TENANT = "tenant"
    VENDOR = "vendor"
    US = "us"


class FailureCode(StrEnum):
    """Every way in which a step or a run can fail. The first five are the meanings of a vendor's answer."""

    BUSY = "busy"
    CREDENTIAL_REFUSED = "credential_refused"
    NOT_FOUND = "not_found"
    REQUEST_REFUSED = "request_refused"
    VENDOR_BROKEN = "vendor_broken"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS_REFUSED = "tls_refused"
    EGRESS_REFUSED = "egress_refused"
    ANSWER_TOO_LARGE = "answer_too_large"
    ANSWER_UNREADABLE = "answer_unreadable"
    CONNECTION_MISSING = "connection_missing"
    TEMPLATE_FAILED = "template_failed"
    SETTING_INVALID = "setting_invalid"
    FLOW_FAILED = "flow_failed"
    RUN_TOO_LARGE = "run_too_large"
    RUN_TOO_LONG = "run_too_long"
    PLAN_MISSING = "plan_missing"
    IN_DOUBT = "in_doubt"
    LOST = "lost"
    REFERENCE_GONE = "reference_gone"
    REPLAY_GONE = "replay_gone"
    INPUT_INVALID = "input_invalid"
    FIELD_INVALID = "field_invalid"
    FLOW_MISSING = "flow_missing"
    CALLS_TOO_DEEP = "calls_too_deep"
    UNAVAILABLE = "unavailable"
    NOT_PARKED = "not_parked"
    PARKED_GONE = "parked_gone"
    SIGN_OFF_REJECTED = "sign_off_rejected"
    SIGN_OFF_EXPIRED = "sign_off_expired"
    INTERNAL = "internal"


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failure: what, where, and the numbers that help. No text from outside.

    Attributes:
        code: what happened.
        field: which setting of the step, as a path of names written by the flow's author ("with.url"), or empty.
        http_status: the vendor's status, 0 when there was none.
        retry_after_seconds: when the vendor says to come back, 0 when it says nothing.
        detail: a refinement from our own closed vocabularies (such as "budget_steps" or "loopback"), or empty.
        frame: for `internal` only: hash of the place in our code, to find it without a traceback.
    """

    code: FailureCode
    field: str = ""
    http_status: int = 0
    retry_after_seconds: float = 0.0
    detail: str = ""
    frame: str = ""


WHOSE_FAULT: Final[dict[FailureCode, Fault]] = {
    FailureCode.BUSY: Fault.VENDOR,
    FailureCode.CREDENTIAL_REFUSED: Fault.TENANT,
    FailureCode.NOT_FOUND: Fault.TENANT,
    FailureCode.REQUEST_REFUSED: Fault.TENANT,
    FailureCode.VENDOR_BROKEN: Fault.VENDOR,
    FailureCode.TIMEOUT: Fault.VENDOR,
    FailureCode.UNREACHABLE: Fault.VENDOR,
    FailureCode.TLS_REFUSED: Fault.VENDOR,
    FailureCode.EGRESS_REFUSED: Fault.TENANT,
    FailureCode.ANSWER_TOO_LARGE: Fault.VENDOR,
    FailureCode.ANSWER_UNREADABLE: Fault.VENDOR,
    FailureCode.CONNECTION_MISSING: Fault.TENANT,
    FailureCode.TEMPLATE_FAILED: Fault.TENANT,
    FailureCode.SETTING_INVALID: Fault.TENANT,
    FailureCode.FLOW_FAILED: Fault.TENANT,
    FailureCode.RUN_TOO_LARGE: Fault.TENANT,
    FailureCode.RUN_TOO_LONG: Fault.TENANT,
    FailureCode.PLAN_MISSING: Fault.US,
    FailureCode.IN_DOUBT: Fault.US,
    FailureCode.LOST: Fault.US,
    FailureCode.REFERENCE_GONE: Fault.US,
    FailureCode.REPLAY_GONE: Fault.US,
    FailureCode.INPUT_INVALID: Fault.TENANT,
    FailureCode.FIELD_INVALID: Fault.TENANT,
    FailureCode.FLOW_MISSING: Fault.TENANT,
    FailureCode.CALLS_TOO_DEEP: Fault.TENANT,
    FailureCode.UNAVAILABLE: Fault.US,
    FailureCode.NOT_PARKED: Fault.TENANT,
    FailureCode.PARKED_GONE: Fault.TENANT,
    FailureCode.SIGN_OFF_REJECTED: Fault.TENANT,
    FailureCode.SIGN_OFF_EXPIRED: Fault.TENANT,
    FailureCode.INTERNAL: Fault.US,
}

EXPLANATION: Final[dict[FailureCode, tuple[str, str]]] = {
    FailureCode.BUSY: ("The third party is rate limiting.", "Send it less, or run again later."),
    FailureCode.CREDENTIAL_REFUSED: ("The third party refused the credential.", "Renew the connection's secret."),
    FailureCode.NOT_FOUND: ("The third party does not know what was asked for.", "Check the id or path in this field."),
    FailureCode.REQUEST_REFUSED: (
        "The third party refused the request.",
        "Compare the step's settings with its manual.",
    ),
    FailureCode.VENDOR_BROKEN: ("The third party answered with an error of its own, or was cut off.", "Run again later."),
    FailureCode.TIMEOUT: ("The third party did not answer in time.", "Run again later, or raise timeout_seconds."),
    FailureCode.UNREACHABLE: (
        "No connection to the third party came about.",
        "Check the host's name and that it is up.",
    ),
    FailureCode.TLS_REFUSED: (
        "The host's certificate or TLS version was not acceptable.",
        "Have the host mend its TLS.",
    ),
    FailureCode.EGRESS_REFUSED: ("The address is not one that flows may reach.", "Use a public https address."),
    FailureCode.ANSWER_TOO_LARGE: ("The answer is larger than allowed.", "Ask for fewer fields or a smaller page."),
    FailureCode.ANSWER_UNREADABLE: (
        "The answer is not what its content type says.",
        "Set `answer` to text, or tell the vendor.",
    ),
    FailureCode.CONNECTION_MISSING: (
        "The connection does not exist, or may not be used for this host.",
        "Create it, or name its host.",
    ),
    FailureCode.TEMPLATE_FAILED: ("A smart value could not be worked out.", "Check the smart value in this field."),
    FailureCode.SETTING_INVALID: (
        "A setting came out as the wrong type.",
        "Check what the smart value in this field gives.",
    ),
    FailureCode.FLOW_FAILED: ("The flow's own `fail` step was reached.", "See the step's condition."),
    FailureCode.RUN_TOO_LARGE: ("The run holds more data than allowed.", "Keep fewer fields of large answers."),
    FailureCode.RUN_TOO_LONG: ("The run took longer than allowed.", "Split the flow, or use fewer items."),
    FailureCode.PLAN_MISSING: ("The flow version of this run is no longer known here.", "Send the event again."),
    FailureCode.IN_DOUBT: (
        "A process died while this call was under way: nobody knows here whether it happened. It was not made again.",
        "Look at the third party. For the next time, say on_doubt: retry or skip, or effect: keyed or idempotent.",
    ),
    FailureCode.FLOW_MISSING: (
        "The flow that this step performs is not there, or can't be performed by others.",
        "Publish it, with the trigger called or manual.",
    ),
    FailureCode.CALLS_TOO_DEEP: (
        "Flows perform each other more than 5 deep.",
        "Look for one that comes back to itself.",
    ),
    FailureCode.FIELD_INVALID: (
        "A field of a mapping can't be given its value.",
        "The detail says what was given and what is expected. Correct the field's `from`, `as` or `values`.",
    ),
    FailureCode.INPUT_INVALID: (
        "A flow or an action was given an input that it does not take, or a flow gave an output that is not what it says.",
        "Compare what is given with its `inputs` (and a flow's `outputs`); the detail says what it is and what is expected.",
    ),
    FailureCode.UNAVAILABLE: ("A part of BluBees that this step needs did not answer.", "Run again later."),
    FailureCode.NOT_PARKED: (
        "The run could not be parked: what it must hold could not be left in Jira.",
        "See the detail: too_large, refused_by_tenant or jira_refused. Let later steps read fewer values.",
    ),
    FailureCode.PARKED_GONE: (
        "What the parked run held is no longer in Jira: its issue or the property was deleted.",
        "Send the event again.",
    ),
    FailureCode.LOST: (
        "All brokers died while the run was on its way: what it carried was in their memory only. What it did is not known.",
        "Look at the third parties, then have it sent again: its sender still has it, we do not.",
    ),
    FailureCode.REPLAY_GONE: (
        "What the failed run held is no longer in the brokers' memory, so it can't go on.",
        "Retry it once more: it starts anew where its source can be asked; else have it sent again.",
    ),
    FailureCode.REFERENCE_GONE: (
        "The run was lost with the brokers, and what its event was about is not there any more, or not as it was.",
        "Look at the third parties, then start it again by hand if it still matters.",
    ),
    FailureCode.SIGN_OFF_REJECTED: (
        "A person who was asked said no, and the step has no branch `rejected`.",
        "Nothing, if that was meant; else give the step that branch.",
    ),
    FailureCode.SIGN_OFF_EXPIRED: (
        "Too few of the people who were asked answered in time, and the step has no branch `expired`.",
        "Give the step more time, a reminder, `escalate_to`, or that branch.",
    ),
    FailureCode.INTERNAL: ("A fault of ours.", "Tell us the run's id; the frame hash names the place."),
}
"""For each code: what happened, and what to do about it."""

DETAILS: Final[dict[tuple[FailureCode, str], tuple[str, str]]] = {
    (FailureCode.CREDENTIAL_REFUSED, "no_grant"): (
        "Nobody has authorised the connection yet.",
        "Have a person say yes: `connection authorize NAME`.",
    ),
    (FailureCode.CREDENTIAL_REFUSED, "grant_dead"): (
        "The vendor renews the connection's token no more, and the run could not wait for a person.",
        "See `connection show NAME`, and have a person say yes again: `connection authorize NAME`.",
    ),
    (FailureCode.CREDENTIAL_REFUSED, "client_certificate"): (
        "The third party did not accept the client certificate of the connection, or its key does not belong to it.",
        "Renew the connection with a certificate of the third party's authority and the key that belongs to it.",
    ),
    (FailureCode.BUSY, "circuit_open"): (
        "The third party did not answer several times in a row: for some seconds it is not called. This call was not made.",
        "Let the step try again (`retry`): it is done when the third party is expected back.",
    ),
    (FailureCode.BUSY, "crowded"): (
        "All connections that this site may have at a time are in use. This call was not made.",
        "Let the step try again (`retry`), or have fewer runs wait for slow third parties at a time (`runs`).",
    ),
    (FailureCode.BUSY, "vault"): (
        "The vault did not answer, so that the connection's credential could not be opened. This call was not made.",
        "Let the step try again (`retry`), or run again later.",
    ),
    (FailureCode.BUSY, "key_disabled"): (
        "The key that this site's credentials are under is disabled at the key management service. This call was not made.",
        "Have whoever owns that key enable it again; then retry the run.",
    ),
    (FailureCode.EGRESS_REFUSED, "host_rules"): (
        "This site's settings do not permit calls to that host.",
        "Call another host, or have an administrator permit it: `tenants settings --egress-allow` and `--egress-deny`.",
    ),
    (FailureCode.REQUEST_REFUSED, "tool_changed"): (
        "The server's tool is not defined as it was when it was imported. It was not called.",
        "Look at what changed (`connector diff`), import again, and publish the flow.",
    ),
    (FailureCode.NOT_FOUND, "tool_gone"): (
        "The server has no tool of this name any more.",
        "Look at what changed (`connector diff`), and use another.",
    ),
    (FailureCode.REQUEST_REFUSED, "tool_error"): (
        "The tool says that it failed. What it says is not kept.",
        "Try the flow with the same inputs: a trial shows what the tool says (docs/live.md).",
    ),
    (FailureCode.REQUEST_REFUSED, "invalid_params"): (
        "The server does not take these arguments.",
        "Compare the step's inputs with the tool's (`connector show`).",
    ),
    (FailureCode.REQUEST_REFUSED, "input_required"): (
        "The tool wants to ask a person something, and nobody is there.",
        "Give it all that it needs as inputs, or use another tool.",
    ),
    (FailureCode.REQUEST_REFUSED, "protocol_version"): (
        "The server speaks no version of the protocol that is spoken here.",
        "Have it speak one of 2025-03-26 to 2026-07-28.",
    ),
    (FailureCode.REQUEST_REFUSED, "no_introspection"): (
        "The server does not tell its schema.",
        "Have it allow introspection for this credential, or import the schema as a file.",
    ),
    (FailureCode.CREDENTIAL_REFUSED, "insufficient_scope"): (
        "The connection's token has too few scopes for this.",
        "Authorise the connection anew with the scopes that the server asks for.",
    ),
    (FailureCode.NOT_PARKED, "too_large"): (
        "The run could not be parked: what later steps read is more than 262,144 bytes, sealed and compressed.",
        "Let later steps read fewer or smaller values, or read them again after the wait (jira.get_issue, http).",
    ),
    (FailureCode.NOT_PARKED, "refused_by_tenant"): (
        "The run could not be parked: it carries values over its wait, and this site forbids that (`parking: refuse`).",
        "Read the values again after the wait, or allow parking: `tenants settings --parking allow`.",
    ),
    (FailureCode.NOT_PARKED, "jira_refused"): (
        "The run could not be parked: Jira refused to keep what it must hold as a property.",
        "See the HTTP status. 403: the app may not edit the issue; give it the permission in the project.",
    ),
    (FailureCode.INPUT_INVALID, "missing"): (
        "An input that the action needs has no value.",
        "See what the smart value in this field gives: it may be empty.",
    ),
    (FailureCode.INPUT_INVALID, "one_of"): (
        "Of some inputs of this action exactly one is given; here it were none or several.",
        "See what the smart values in these fields give; the flow's check names the inputs.",
    ),
    (FailureCode.INPUT_INVALID, "text_not_part_of_a_path"): (
        "This input is a part of the address that is asked, and it is empty.",
        "See what the smart value in this field gives.",
    ),
    (FailureCode.BUSY, "pace"): (
        "The third party allows this connection no more calls for now. The call was not made.",
        "Send it less, give the step `retry`, or run again later.",
    ),
    (FailureCode.CONNECTION_MISSING, "parameter"): (
        "The connection does not tell where its third party is: a parameter of the connector is missing, or has odd letters.",
        "Add the connection again with its parameters: --setting param_NAME=…",
    ),
    (FailureCode.FIELD_INVALID, "missing"): (
        "A field of a mapping that is `required` has no value.",
        "See where its value comes from (`from`), or give it a `default`.",
    ),
    (FailureCode.FIELD_INVALID, "not_in_values"): (
        "A field of a mapping was given a value that its `values` does not list.",
        "Add it to `values`, or `_other` for all that is not listed.",
    ),
    (FailureCode.FIELD_INVALID, "email_not_user"): (
        "A field of a mapping was given an e-mail address, expected is an account id.",
        "Look the person up in a step before: GET /rest/api/3/user/search.",
    ),
    (FailureCode.FIELD_INVALID, "not_adf"): (
        "A field of a mapping was given a document that Atlassian's schema does not take.",
        "Correct what makes the document, or give the text and say in `reads` what it is.",
    ),
}
"""What a refinement means, where the code alone says too little."""


def explain_failure(failure: Failure) -> tuple[str, str]:
    """Give what happened, and what to do."""
    known = DETAILS.get((failure.code, failure.detail))
    if known is None and failure.code in {FailureCode.FIELD_INVALID, FailureCode.INPUT_INVALID}:
        given, _, expected = failure.detail.partition("_not_")
        if expected:
            what = f"{failure.field} was given: {given}. Expected is: {expected.replace('_', ' ')}."
            return what, EXPLANATION[failure.code][1]
    return known or EXPLANATION[failure.code]
