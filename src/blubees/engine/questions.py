"""Binds a sign-off's exact question to where it is asked, by a hash: an answer must name it. Used by walk.py, sign_offs.py."""

import hashlib
import hmac
from typing import Any, TypedDict

import msgspec
import orjson

from blubees.model.parking import SignOffRule


class AskedQuestion(TypedDict):
    """A question as a parked run holds it, sealed.

    Attributes:
        question: the exact text that people are shown.
        salt: hex: without it nobody can try out texts against the hash.
        asked: tenant, run, path and the parking's number.
    """

    question: str
    salt: str
    asked: list[str]


def bind_question(key: bytes, asked: tuple[str, ...], rule: SignOffRule, question: str) -> tuple[SignOffRule, AskedQuestion]:
    """Give the rule with the question's hash, and what the run must hold.

    The salt is worked out, so that two conduits that park the same run at a time come to the same hash.
    """
    salt = hmac.new(key, b"question\0" + "\0".join(asked).encode(), hashlib.sha256).hexdigest()
    note = AskedQuestion(question=question, salt=salt, asked=list(asked))
    return msgspec.structs.replace(rule, question=_hash(note, rule)), note


def read_question(note: Any, rule: SignOffRule, asked: tuple[str, ...], expected: str) -> str | None:  # noqa: ANN401 - data
    """Give the question's text when it is the one that was asked: here, of these people, with this hash; else None.

    Args:
        asked: tenant, run and path.
        expected: the hash that the control plane knows.
    """
    if not isinstance(note, dict) or set(note) != {"question", "salt", "asked"} or tuple(note["asked"][:3]) != asked:
        return None
    found = _hash(AskedQuestion(question=note["question"], salt=note["salt"], asked=note["asked"]), rule)
    is_asked = hmac.compare_digest(found, expected) and hmac.compare_digest(found, rule.question)
    return note["question"] if is_asked else None


def _hash(note: AskedQuestion, rule: SignOffRule) -> str:
    parts = [note["salt"], *note["asked"], note["question"], list(rule.approvers), list(rule.others), rule.needed]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
