"""Is a connector sound, whoever made it? Names, references, places, pages, hooks, examples. All problems at once.

Called by reader.py for files, by the importers for what they make, and by the tests.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import re2

from blubees.connectors.contract.check_action import ActionCheck, check_action, check_errors, check_inputs_given
from blubees.connectors.contract.check_hook import check_delivery, check_lasting, check_signature
from blubees.connectors.contract.check_schema import check_references
from blubees.connectors.contract.grade import CHECKS
from blubees.connectors.contract.problems import Complaints, Place, Problem
from blubees.connectors.parameters import ADDRESSING
from blubees.model.action import Place as InputPlace
from blubees.model.call import Effect
from blubees.model.connector import CATALOGUE, Connector, ConnectorTrigger, Hook, Parameter, PollRule, Speaks, TriggerSort
from blubees.model.flow import SignatureScheme

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
BASE_URL: Final = re.compile(r"(https?|postgresql|mysql|smtps?|imaps)://[^/?#@\s]+(/[^?#\s]*)?")
REASON_MIN: Final = 10
SETTLES_MAX_SECONDS: Final = 36_000  # deliveries are remembered for a day: flows/asking.py
POLL_SECONDS: Final = (30, 2_592_000)
SCHEMES: Final = frozenset((*(each.value for each in SignatureScheme), "hook"))


def check_connector(connector: Connector, hooks: Collection[str] = ()) -> tuple[Problem, ...]:
    """Check a connector; gives all that is wrong with it.

    Args:
        hooks: the names of the functions of its Python twin.
    """
    complaints = Complaints()
    _check_head(connector, complaints)
    _check_auth(connector, complaints)
    check_errors(connector.errors, ("errors",), complaints)
    check_references(connector, complaints)
    for name, action in connector.actions.items():
        check_action(ActionCheck(connector, name, action, complaints, hooks))
    for name, trigger in connector.triggers.items():
        _check_trigger(connector, trigger, ("triggers", name), complaints, hooks)
    trial = connector.trial
    if trial is not None:
        _check_use(connector, trial.action, trial.inputs, ("trial",), complaints)
    for name, reason in connector.exemptions.items():
        if name not in CHECKS:
            complaints.add_unknown(("exemptions", name), "check of the grade", name, CHECKS)
        if len(reason.strip()) < REASON_MIN:
            complaints.add(("exemptions", name), f"An exemption needs its reason, {REASON_MIN} letters or more.")
    return tuple(complaints.found)


def _check_head(connector: Connector, complaints: Complaints) -> None:
    if not NAME.fullmatch(connector.name):
        complaints.add(("name",), "A connector's name is 1 to 63 lower-case letters, digits and _, beginning with a letter.")
    if not connector.title.strip():
        complaints.add(("title",), "The title is empty.")
    for what in ("actions", "triggers", "parameters", "auth"):
        for name in getattr(connector, what):
            if not NAME.fullmatch(name):
                complaints.add((what, name), "A name is 1 to 63 lower-case letters, digits and _, beginning with a letter.")
    if connector.speaks is Speaks.HTTP and not connector.base_url:
        lacking = [name for name, each in connector.actions.items() if not each.request.base_url and not each.request.hook]
        if lacking:
            complaints.add(("base_url",), f"The base URL is missing; the action {lacking[0]} has none of its own.")
    check_base_url(connector, connector.base_url, ("base_url",), complaints)
    used = set(_list_placeholders(connector))
    used |= {inner for name in used if name in connector.parameters for inner in _list_inner(connector.parameters[name])}
    if any(each.place is InputPlace.HOST for action in connector.actions.values() for each in action.inputs.values()):
        used.add(ADDRESSING)
    for name, parameter in connector.parameters.items():
        if name not in used and connector.speaks is not Speaks.HOOK:
            complaints.add(("parameters", name), "Nothing uses it: no base URL and no setting of an auth scheme has it.")
        _check_parameter(parameter, ("parameters", name), complaints)
        for inner in _list_inner(parameter):
            if inner not in connector.parameters or _list_inner(connector.parameters[inner]):
                complaints.add(("parameters", name, "default"), f"{{{inner}}} is no parameter whose default is plain.")


def check_base_url(connector: Connector, url: str, place: Place, complaints: Complaints) -> None:
    """Check a base URL: its form, and that its placeholders are parameters."""
    if not url:
        return
    if not BASE_URL.fullmatch(url) or url.endswith("/"):
        complaints.add(place, "A base URL is https://host, perhaps with a path; no query, no user, no / at its end.")
    for name in PLACEHOLDER.findall(url):
        if name not in connector.parameters:
            complaints.add_unknown(place, "parameter", name, connector.parameters)


def _list_inner(parameter: Parameter) -> list[str]:
    """List the parameters that another one's default is made of."""
    return PLACEHOLDER.findall(parameter.default)


def _list_placeholders(connector: Connector) -> Iterable[str]:
    yield from PLACEHOLDER.findall(connector.base_url)
    for action in connector.actions.values():
        yield from PLACEHOLDER.findall(action.request.base_url)
    for scheme in connector.auth.values():
        for value in scheme.settings.values():
            yield from PLACEHOLDER.findall(value) if isinstance(value, str) else ()


def _check_parameter(parameter: Parameter, place: Place, complaints: Complaints) -> None:
    try:
        pattern = re2.compile(parameter.pattern)
    except re2.error:
        complaints.add((*place, "pattern"), "This is no regular expression of RE2.")
        return
    for what in ("example", "default"):
        text = PLACEHOLDER.sub("x", getattr(parameter, what))
        if text and not pattern.fullmatch(text):
            complaints.add((*place, what), f"{text[:60]!r} does not match the pattern {parameter.pattern}.")
        if text and parameter.choices and text not in parameter.choices:
            complaints.add_unknown((*place, what), "choice", text, parameter.choices)
    if not parameter.example and not parameter.default and not parameter.choices:
        complaints.add((*place, "example"), "The example is missing: people see it, and tests are made with it.")


def _check_auth(connector: Connector, complaints: Complaints) -> None:
    for name, scheme in connector.auth.items():
        for setting, value in scheme.settings.items():
            for parameter in PLACEHOLDER.findall(value) if isinstance(value, str) else ():
                if parameter not in connector.parameters:
                    complaints.add_unknown(("auth", name, "settings", setting), "parameter", parameter, connector.parameters)
    _check_alternatives(connector, connector.default_auth, ("default_auth",), complaints)
    known = {scope for scheme in connector.auth.values() for scope in scheme.scopes}
    for name, action in connector.actions.items():
        _check_alternatives(connector, action.auth, ("actions", name, "auth"), complaints)
        for scope in action.scopes if known else ():
            if scope not in known:
                complaints.add_unknown(("actions", name, "scopes"), "scope", scope, known)
    for name, trigger in connector.triggers.items():
        for scope in trigger.scopes if known else ():
            if scope not in known:
                complaints.add_unknown(("triggers", name, "scopes"), "scope", scope, known)


def _check_alternatives(
    connector: Connector, alternatives: tuple[tuple[str, ...], ...], place: Place, complaints: Complaints
) -> None:
    for number, names in enumerate(alternatives):
        for name in names:
            if name not in connector.auth:
                complaints.add_unknown((*place, number), "auth scheme", name, connector.auth)


def _check_trigger(
    connector: Connector, trigger: ConnectorTrigger, place: Place, complaints: Complaints, hooks: Collection[str]
) -> None:
    if trigger.sort is TriggerSort.WEBHOOK:
        if trigger.hook is None:
            complaints.add((*place, "hook"), "A trigger of sort webhook says in `hook` how it is received.")
        else:
            _check_hook(connector, trigger, trigger.hook, (*place, "hook"), complaints, hooks)
    elif trigger.poll is None:
        complaints.add((*place, "poll"), "A trigger of sort poll says in `poll` what is asked.")
    else:
        _check_poll(connector, trigger.poll, (*place, "poll"), complaints)
    other = "poll" if trigger.sort is TriggerSort.WEBHOOK else "hook"
    if getattr(trigger, other) is not None:
        complaints.add((*place, other), f"`{other}` does not belong to a trigger of sort {trigger.sort.value}.")


def _check_hook(
    connector: Connector, trigger: ConnectorTrigger, hook: Hook, place: Place, complaints: Complaints, hooks: Collection[str]
) -> None:
    if hook.scheme not in SCHEMES:
        complaints.add_unknown((*place, "scheme"), "signature scheme", hook.scheme, SCHEMES)
    if hook.scheme == "hook" and "verify_event" not in hooks:
        complaints.add((*place, "scheme"), "The Python twin has no function `verify_event`.")
    check_signature(hook, place, complaints)
    check_delivery(hook, place, complaints)
    check_lasting(hook, place, complaints, connector.actions)
    if trigger.events and not hook.event_header and not hook.event_at:
        complaints.add((*place, "event_at"), "`event_header` or `event_at` must tell where a delivery names its event.")
    if not hook.register and not hook.by_hand:
        complaints.add(place, "Either `register` (an action) registers our address, or `by_hand` tells a person how.")
    if hook.register:
        _check_use(
            connector, hook.register, hook.register_inputs, (*place, "register"), complaints, must_read=False, is_asked=True
        )
    if hook.unregister and hook.unregister not in connector.actions:
        complaints.add_unknown((*place, "unregister"), "action", hook.unregister, connector.actions)
    if hook.unregister and not hook.register:
        complaints.add((*place, "unregister"), "There is nothing to take back without `register`.")
    is_left = hook.register and not hook.unregister and not hook.lasts_seconds
    if is_left and connector.source == CATALOGUE:
        complaints.add((*place, "unregister"), "What is registered is taken back, too: by which action?")
    _check_taken_back(connector, hook, (*place, "unregister"), complaints)


def _check_taken_back(connector: Connector, hook: Hook, place: Place, complaints: Complaints) -> None:
    """Check that all that taking back needs is known then: of the trigger's settings, or what registering gave."""
    asked, back = connector.actions.get(hook.register), connector.actions.get(hook.unregister)
    if asked is None or back is None:
        return
    as_it_is = asked.answer.schema.get("properties", {}) if not asked.answer.outputs else {}
    told = {*asked.answer.outputs, *as_it_is, *(name for name in asked.inputs if name not in hook.register_inputs)}
    for name, each in back.inputs.items():
        if each.is_required and name not in told:
            complaints.add(
                place, f"{hook.unregister} needs `{name}`: neither the trigger's inputs nor {hook.register} tell it."
            )


def _check_poll(connector: Connector, poll: PollRule, place: Place, complaints: Complaints) -> None:
    given = (poll.since_input,)
    is_taken = bool(poll.taken_by)
    place_of = (*place, "action")
    _check_use(connector, poll.action, poll.inputs, place_of, complaints, must_read=not is_taken, given=given, is_asked=True)
    if is_taken:
        _check_taken(connector, poll, place, complaints)
    if not 0 <= poll.settles_seconds <= SETTLES_MAX_SECONDS:
        complaints.add((*place, "settles_seconds"), f"{poll.settles_seconds}; allowed are 0 to {SETTLES_MAX_SECONDS}.")
    action = connector.actions.get(poll.action)
    if action is not None and poll.since_input and poll.since_input not in action.inputs:
        complaints.add_unknown((*place, "since_input"), "input", poll.since_input, action.inputs)
    if poll.since_input and not poll.cursor_at:
        complaints.add((*place, "cursor_at"), "`since_input` needs `cursor_at`: what the next poll goes on from.")
    if not POLL_SECONDS[0] <= poll.every_seconds <= POLL_SECONDS[1]:
        complaints.add((*place, "every_seconds"), f"{poll.every_seconds}; allowed are {POLL_SECONDS[0]} to {POLL_SECONDS[1]}.")
    if not poll.id_at:
        complaints.add((*place, "id_at"), "`id_at` is empty: nothing tells one item from another.")


def _check_taken(connector: Connector, poll: PollRule, place: Place, complaints: Complaints) -> None:
    """Check what takes items away: it may be called twice, and there is no cursor beside it."""
    taken_by = connector.actions.get(poll.taken_by)
    if taken_by is None:
        complaints.add_unknown((*place, "taken_by"), "action", poll.taken_by, connector.actions)
        return
    if taken_by.effect not in {Effect.IDEMPOTENT, Effect.KEYED}:
        complaints.add((*place, "taken_by"), f"Its effect is {taken_by.effect.value}; what takes away may be called twice.")
    if poll.taken_input not in taken_by.inputs:
        complaints.add_unknown((*place, "taken_input"), "input", poll.taken_input, taken_by.inputs)
    if poll.since_input or poll.cursor_at:
        complaints.add((*place, "taken_by"), "What is taken away does not come again: there is no cursor beside it.")


def _check_use(
    connector: Connector,
    name: str,
    inputs: Mapping[str, Any],
    place: Place,
    complaints: Complaints,
    *,
    must_read: bool = True,
    given: Iterable[str] = (),
    is_asked: bool = False,
) -> None:
    """Check that an action which the connector itself uses is there, and is given what it needs.

    Args:
        is_asked: what the connector does not give is asked of the flow (which repository, which folder).
    """
    action = connector.actions.get(name)
    if action is None:
        complaints.add_unknown(place, "action", name, connector.actions)
        return
    if must_read and action.effect is not Effect.READ:
        complaints.add(place, f"The action {name} has the effect {action.effect.value}; here only one that reads may stand.")
    required = {name for name, each in action.inputs.items() if each.is_required} if is_asked else set()
    check_inputs_given(action, {*inputs, *filter(None, given), *required}, place, complaints)
