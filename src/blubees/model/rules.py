"""What a flow says of itself besides its steps: what it is given, how its runs stand to each other. Parts of model/flow.py."""

from enum import StrEnum
from typing import Any

import msgspec


class InputType(StrEnum):
    """What an input may be. `any` is taken as it comes."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"
    ANY = "any"


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that a flow is given when it is started by hand or called, read as `{{inputs.<name>}}`.

    Attributes:
        type: what it may be; a text that writes a number or true or false is taken for one.
        required: whether the flow is not started without it.
        default: what it is when it is not given; of the same type.
        description: for people, up to 2,000 characters.
    """

    type: InputType = InputType.ANY
    required: bool = False
    default: Any = None
    description: str = ""


class RunMode(StrEnum):
    """What happens when a run of a flow comes while another one with the same key is under way.

    `parallel`: both are performed. `queued`: the later one waits. `single`: the later one is not performed.
    `restart`: the earlier one is stopped before its next call, then the later one is performed.
    """

    PARALLEL = "parallel"
    QUEUED = "queued"
    SINGLE = "single"
    RESTART = "restart"


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many runs of a flow may begin in a time: 1 to 100,000 within 1 to 86,400 seconds. The others wait."""

    count: int
    per_seconds: float


class Runs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the runs of a flow stand to each other.

    Attributes:
        mode: what happens when several come at a time.
        key: a template; runs for which it comes to the same text stand to each other so. Empty: all runs of the flow.
        most: how many are performed at a time, 1 to 1,000 (parallel and queued); 0: 1 in `queued`, any number in `parallel`.
        waiting: how many may wait for their turn, 0 to 1,000 for each key; those above are not performed.
        rate: how many may begin in a time, of the whole flow.
    """

    mode: RunMode = RunMode.PARALLEL
    key: str = ""
    most: int = 0
    waiting: int = 100
    rate: Rate | None = None
