"""Checks a trigger that is a connector's (`on: slack.message`), and writes it out as the webhook or the poll that it is.

Part of the check (flows/check.py). So all that knows webhooks and polls knows these; what the connector says of them (events,
signature, what is asked) is pinned with the version and read by flows/vendor_triggers.py.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from blubees.connectors.actions.values import MisfitError, compile_convert
from blubees.flows.check_clock import POLL_SECONDS
from blubees.flows.connectors import FoundConnectors
from blubees.flows.document import Place, ReadDocument
from blubees.model.action import Action
from blubees.model.connector import Connector, ConnectorTrigger, Hook, TriggerSort
from blubees.model.flow import SignatureScheme, TriggerKind
from blubees.model.ids import CONNECTION_PATTERN
from blubees.model.schedule import PollStart

PLACE: Final[Place] = ("trigger",)
HOOK_PREFIX: Final = "hook-"
NAME_MAX: Final = 63
SECRET: Final = "$secret"  # noqa: S105 - a word of `register_inputs` (model/connector.py, Hook)


class Checks(Protocol):
    """What is used of the check."""

    read: ReadDocument
    found: FoundConnectors

    def complain_name(self, place: Place, message: str, name: object, known: Any) -> None:  # noqa: ANN401 - names
        """Complain about a name and suggest the nearest right one."""
        ...

    def expect_names(self, place: Place, data: Mapping[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        """Expect these names and no others."""
        ...

    def expect_text(self, place: Place, data: Mapping[str, Any], pattern: str, allowed: str) -> None:
        """Expect a text of a form, where there is one."""
        ...

    def expect_choice(self, place: Place, data: Mapping[str, Any], choices: Any) -> Any:  # noqa: ANN401 - an enum
        """Expect one of an enum's words."""
        ...


def is_connectors(on: object) -> bool:
    """Whether a trigger's `on` names a connector's."""
    return isinstance(on, str) and "." in on and on not in {each.value for each in TriggerKind}


def find_trigger(connectors: tuple[Connector, ...], name: str) -> tuple[Connector, ConnectorTrigger] | None:
    """Find a connector's trigger by its whole name, `slack.message`."""
    connector, _, own = name.partition(".")
    for each in connectors:
        if each.name == connector and own in each.triggers:
            return each, each.triggers[own]
    return None


def name_hook_secret(flow: str) -> str:
    """Name the connection that has the secret of a webhook which we register ourselves."""
    return f"{HOOK_PREFIX}{flow}"[:NAME_MAX].rstrip("-")


def names_secret(value: object) -> bool:
    """Whether what registers a webhook hands the vendor a secret of ours; else the vendor signs by one that it has."""
    if isinstance(value, dict):
        return any(names_secret(each) for each in value.values())
    return any(names_secret(each) for each in value) if isinstance(value, list) else value == SECRET


def check_trigger(checks: Checks, trigger: Mapping[str, Any], flow: object) -> dict[str, Any] | None:
    """Check it, and write it out; None when there is no such trigger.

    Args:
        flow: the flow's id, which names the secret of a webhook that we register ourselves.
    """
    on = str(trigger["on"])
    found = find_trigger(checks.found.connectors, on)
    if found is None:
        _complain_name(checks, on)
        return None
    connector, rule = found
    if "connection" in trigger:
        checks.expect_text((*PLACE, "connection"), trigger, CONNECTION_PATTERN, "the name of a connection")
    kept = {name: trigger[name] for name in ("where", "connection", "inputs") if name in trigger}
    if rule.sort is TriggerSort.WEBHOOK:
        hook = rule.hook or Hook()
        return {**kept, "connector": on, **_write_hook(checks, connector, hook, trigger, on, flow)}
    return {**kept, "connector": on, **_write_poll(checks, connector, rule, trigger, on)}


def _complain_name(checks: Checks, on: str) -> None:
    connector = on.partition(".")[0]
    if checks.found.has(connector):
        message = f"The connector {connector} has no trigger `{on.partition('.')[2][:60]}`."
        checks.complain_name((*PLACE, "on"), message, on, checks.found.names)
        return
    known = {*checks.found.names, *(each.value for each in TriggerKind)}
    message = f"`{on[:60]}` is no trigger: no built-in one is called so, and there is no connector `{connector[:60]}`."
    checks.complain_name((*PLACE, "on"), message, on, known)


def _write_hook(
    checks: Checks, connector: Connector, hook: Hook, trigger: Mapping[str, Any], on: str, flow: object
) -> dict[str, Any]:
    registers = (hook.register,) if hook.register else ()
    allowed = ("where", "signing", *(("connection", "inputs") if registers else ()))
    checks.expect_names(PLACE, trigger, ("on",), allowed)
    written: dict[str, Any] = {"on": TriggerKind.WEBHOOK.value}
    scheme = SignatureScheme(hook.scheme)
    if registers:
        if "connection" not in trigger:
            checks.read.complain(PLACE, f"{on} needs `connection`: the one by which it is registered at {connector.title}.")
        _check_inputs(checks, connector, connector.actions[hook.register], trigger, set(hook.register_inputs), on)
    if scheme is SignatureScheme.NONE:
        if "signing" in trigger:
            checks.read.complain((*PLACE, "signing"), f"{connector.title} does not sign these. Remove it.")
        return written
    signature: dict[str, Any] = {"scheme": scheme.value, "connection": trigger.get("signing", "")}
    if "signing" in trigger:
        checks.expect_text((*PLACE, "signing"), trigger, CONNECTION_PATTERN, "the name of a connection of kind signing_secret")
    elif registers and names_secret(hook.register_inputs):
        signature["connection"] = name_hook_secret(str(flow))
    else:
        needed = "the name of a connection of kind signing_secret, with the secret that it signs by"
        checks.read.complain(PLACE, f"{on} needs `signing`: {needed}. {hook.by_hand}".strip())
    if scheme in {SignatureScheme.HMAC_SHA256, SignatureScheme.HMAC}:
        signature |= {"header": hook.header, "prefix": hook.prefix, "encoding": hook.encoding}
    if scheme is SignatureScheme.HMAC:
        signature |= {"digests": list(hook.digests), "signed": list(hook.signed)}
        signature |= {"time_header": hook.time_header, "time_unit": hook.time_unit}
    return {**written, "signature": signature}


def _write_poll(
    checks: Checks, connector: Connector, rule: ConnectorTrigger, trigger: Mapping[str, Any], on: str
) -> dict[str, Any]:
    poll = rule.poll
    assert poll is not None  # noqa: S101 - connectors/contract/check.py
    checks.expect_names(PLACE, trigger, ("on",), ("where", "connection", "inputs", "every_seconds", "start"))
    if connector.auth and "connection" not in trigger:
        checks.read.complain(PLACE, f"{on} needs `connection`: the name of a connection to {connector.title}.")
    every = trigger.get("every_seconds", poll.every_seconds)
    if type(every) is not int or not POLL_SECONDS[0] <= every <= POLL_SECONDS[1]:
        checks.read.complain((*PLACE, "every_seconds"), f"A poll asks every {POLL_SECONDS[0]} to {POLL_SECONDS[1]} seconds.")
    if "start" in trigger and poll.taken_by:
        checks.read.complain((*PLACE, "start"), f"{on} takes all that is there, at the first poll too. Remove it.")
    elif "start" in trigger:
        checks.expect_choice((*PLACE, "start"), trigger, PollStart)
    given = {*poll.inputs, *filter(None, (poll.since_input,))}
    _check_inputs(checks, connector, connector.actions[poll.action], trigger, given, on)
    start = trigger.get("start", PollStart.NOW.value)
    return {"on": TriggerKind.POLL.value, "every_seconds": every, "poll": {"start": start}}


def _check_inputs(
    checks: Checks, connector: Connector, action: Action, trigger: Mapping[str, Any], given: set[str], on: str
) -> None:
    """Check what the author gives to the action behind the trigger: literals only, since there is no event yet."""
    inputs, place = trigger.get("inputs", {}), (*PLACE, "inputs")
    if not isinstance(inputs, dict):
        checks.read.complain(place, "`inputs` is a mapping of names to values.")
        return
    free = {name: each for name, each in action.inputs.items() if name not in given}
    for name, value in inputs.items():
        if name not in free:
            checks.complain_name((*place, str(name)), f"{on} has no input `{str(name)[:60]}`.", name, free)
            continue
        convert = compile_convert(free[name].schema, connector.schemas)
        try:
            if convert is not None:
                convert(value)
        except MisfitError as error:
            given_type, _, wanted = error.detail.partition("_not_")
            checks.read.complain((*place, name), f"{on}: `{name}` is a {given_type}, allowed is: {wanted.replace('_', ' ')}.")
    for name, each in free.items():
        if each.is_required and name not in inputs:
            checks.read.complain(PLACE, f"{on} needs `inputs` with `{name}`. {each.description}")
