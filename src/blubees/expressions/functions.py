"""The function table, put together from functions_*.py. Read by template.py, flows/check.py and the documentation."""

from typing import Final

from blubees.expressions.functions_dates import DATE
from blubees.expressions.functions_json import JSON, READERS
from blubees.expressions.functions_lists import LIST
from blubees.expressions.functions_logic import LOGIC
from blubees.expressions.functions_numbers import NUMBER
from blubees.expressions.functions_objects import OBJECT
from blubees.expressions.functions_text import TEXT
from blubees.expressions.signatures import Function

FUNCTIONS: Final[dict[str, dict[str, Function]]] = {}
"""By name and receiver: `FUNCTIONS["equals"]["text"]`."""
for _function in (*TEXT, *NUMBER, *LIST, *DATE, *OBJECT, *JSON):
    FUNCTIONS.setdefault(_function.name, {})[_function.receiver or ""] = _function

GLOBALS: Final[dict[str, Function]] = {each.name: each for each in (*LOGIC, *READERS)}
"""Those that are called on nothing."""
