"""Is what a file says of its webhooks sound: how they are signed, what tells one from another, how long? Called by check.py."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from blubees.connectors.actions.paths import EACH
from blubees.connectors.contract.problems import Complaints, Place
from blubees.model.action import Action
from blubees.model.connector import Hook
from blubees.model.flow import SignatureDigest, SignatureEncoding, SignatureScheme, SignedPart, TimeUnit

HMACS: Final = (SignatureScheme.HMAC_SHA256.value, SignatureScheme.HMAC.value)
MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+")
LASTS_MIN_SECONDS: Final = 600
LASTS_MAX_SECONDS: Final = 400 * 86_400
COVERING: Final = frozenset((SignedPart.BODY.value, SignedPart.FORM.value))


def check_signature(hook: Hook, place: Place, complaints: Complaints) -> None:
    """Check how deliveries are signed."""
    _expect("encoding", (hook.encoding,), SignatureEncoding, place, complaints)
    _expect("time_unit", (hook.time_unit,), TimeUnit, place, complaints)
    _expect("digests", hook.digests, SignatureDigest, place, complaints)
    _expect("signed", hook.signed, SignedPart, place, complaints)
    if hook.scheme in HMACS and not hook.header:
        complaints.add((*place, "header"), f"{hook.scheme} needs the header that carries the signature.")
    if (hook.scheme == SignatureScheme.TOKEN.value) != bool(hook.token_at):
        complaints.add((*place, "token_at"), "The scheme token needs `token_at`, where the secret stands; no other has it.")
    if hook.scheme != SignatureScheme.HMAC.value:
        if hook.signed or hook.time_header:
            complaints.add((*place, "signed"), "`signed` and `time_header` belong to the scheme hmac only.")
        return
    if not COVERING & set(hook.signed):
        complaints.add((*place, "signed"), "hmac needs `signed`: which parts, and `body` or `form` must be one of them.")
    if (SignedPart.TIME.value in hook.signed) != bool(hook.time_header):
        complaints.add((*place, "time_header"), "The time is a signed part where `time_header` tells it, and only there.")


def _expect(name: str, given: Iterable[str], kind: type[StrEnum], place: Place, complaints: Complaints) -> None:
    known = [each.value for each in kind]
    for each in given:
        if each not in known:
            complaints.add_unknown((*place, name), f"word of `{name}`", each, known)


def check_delivery(hook: Hook, place: Place, complaints: Complaints) -> None:
    """Check what tells a delivery from others, and what is answered."""
    if hook.each_at and hook.each_at[-1] != EACH:
        complaints.add((*place, "each_at"), "`each_at` is the path of a list, with `.*` at its end, or `*` alone.")
    if hook.each_at and not hook.delivery_at:
        complaints.add((*place, "delivery_at"), "With `each_at`, `delivery_at` must tell one event from another.")
    if hook.delivery_with and not (hook.delivery_at or hook.delivery_header):
        complaints.add(
            (*place, "delivery_with"), "`delivery_with` adds to `delivery_at` or `delivery_header`; there is neither."
        )
    if bool(hook.accepted) != bool(MEDIA_TYPE.fullmatch(hook.accepted_type)):
        complaints.add(
            (*place, "accepted"), "`accepted` is what is answered, and `accepted_type` its media type: both or neither."
        )


def check_lasting(hook: Hook, place: Place, complaints: Complaints, actions: Mapping[str, Action]) -> None:
    """Check how a registration that ends by itself is renewed."""
    if hook.renew and hook.renew not in actions:
        complaints.add_unknown((*place, "renew"), "action", hook.renew, actions)
    known = actions[hook.renew].inputs if hook.renew in actions else hook.renew_inputs
    for name in hook.renew_inputs:
        if name not in known:
            complaints.add_unknown((*place, "renew_inputs"), f"input of {hook.renew}", name, known)
    if bool(hook.renew) != bool(hook.lasts_seconds):
        complaints.add(
            (*place, "renew"), "`lasts_seconds` is how long a registration lasts, `renew` an action: both or neither."
        )
    if hook.lasts_seconds and not LASTS_MIN_SECONDS <= hook.lasts_seconds <= LASTS_MAX_SECONDS:
        allowed = f"{LASTS_MIN_SECONDS} to {LASTS_MAX_SECONDS}"
        complaints.add((*place, "lasts_seconds"), f"`lasts_seconds` is {hook.lasts_seconds}; allowed is {allowed}.")
    if hook.renew and not hook.register:
        complaints.add((*place, "renew"), "There is nothing to renew without `register`.")
