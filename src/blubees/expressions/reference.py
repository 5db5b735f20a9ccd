"""Writes docs/smart-values.md from the function table; a test compares the two."""

from collections.abc import Iterable

from blubees.expressions.functions import FUNCTIONS, GLOBALS
from blubees.expressions.limits import DEFAULT, MARKS_MAX, PARSE_DEPTH_MAX, SOURCE_MAX_CHARACTERS, Meter
from blubees.expressions.signatures import Function, ValueType
from blubees.expressions.values import write_json

HEAD = """\
# Smart values
The expression language of Jira's own Automation. Parsed once, compiled, metered; nothing of the host is reachable, and
data is never read as a template. This page is made from the function table; each example is executed by a test.

```
template := (text | value | section | inverse)*
value    := "{{" expr ["|" default] "}}"
section  := "{{#" expr "}}" template ["{{else}}" template] "{{/" [name] "}}"
inverse  := "{{^" expr "}}" template "{{/" [name] "}}"
block    := "{{#=}}" or "{{#math}}", "{{#increment}}", "{{#debug}}" … "{{/}}"
expr     := literal | segment ("." segment)*
segment  := name ["(" [expr ("," expr)*] ")"] | '"' key '"'
```

Rulings:
- A template that is exactly one `{{expr}}` keeps the value's type; any other is text. Missing values are null, empty in text.
- `issue.summary` reads `issue.fields.summary`; names ignore case when the exact one is not there.
- A path or text function over a list maps over it, and over lists in it (`lookupIssues.fixVersions.name`); a list as text is
  joined by ", "; an object as text is JSON.
- False are null, false, empty text and empty list; as a condition also the text "false". 0 is true.
- `list[0]` is `list.get(0)`.
- A field of an issue can be named as people know it, whatever its case: `{{issue.Customer name}}`. The site is asked for its
  names (at most ten minutes old); of several fields with one name, the first that has a value is meant. In `blubees try`, the
  data's issue must carry `names`, as Jira gives them with `expand=names`.
- In list sections: `{{.}}` and what follows its dot (`{{.toUpperCase()}}`, `{{.name}}`), `first`, `last`, `index` (from 0),
  `_first`, `_last`, `-index`.
- A default (`|`) stands for null, empty text and empty list. A bare name is a property before it is a function.
- First names: `now`, `flow` (also `rule`), `steps`; of Jira's events `issue`, `triggerIssue`, `project`, `comment`, `worklog`,
  `attachment`, `version`, `sprint`, `changelog`, `fieldChange`, `initiator` (also `user`), `eventType`, as far as the event
  carries them; of webhooks `webhookData`; of manual runs `inputs`; of schedules `issue` or `issues`; of polls `item`.
- Of steps that ran: `webhookResponse` is the newest answer of an http step (status, headers, body), `webhookResponses` all of
  them; `createdIssue` and `createdIssues` likewise (id, key); `lookupIssues` is the newest search's list. They are worked
  out when read, in the order in which the steps are written. `agentResponse` waits for agents: no kind of step gives it
  yet, and the check says so.
- Math blocks: EvalEx's operators, functions and constants, in any case; angles in degrees; NOT is logical. A block in which a
  value is missing is empty; anything else that has no finite value is an error. RANDOM() hangs on `now`, so that a step
  performed again draws the same number.
- `abbreviate`, `capitalize`, `equals` and the encoders do what the Java libraries do to which Atlassian's pages link; `charAt`,
  `indexOf` and `index` count from 0. A status as text is its id. Numbers are formatted the American way.
- JSON and XML texts that can't be read are null; an XML document that declares a type or entities is one of them.
- `{{else}}` is ours. A section is opened by `{{#` only: `{{if(x)}}text{{/}}` is refused, since nothing is open. Texts
  stand in double quotes only.
- Patterns are RE2: linear time; back references and look-around are refused when the flow is checked.
- Dates: Java's patterns and calendar. `diff` is argument minus receiver, cut towards zero; `withNextDayOfWeek` is strictly
  later; `toBusinessDay` leaves a business day as it is; `endOfMonth` ends at 23:59:59.999; business days are Monday to
  Friday, without holidays. American long and full date-times have a comma before the time, full times the zone's whole
  name. A formatted date is a text.

"""


def render_reference() -> str:
    """Write the page."""
    meter = Meter(DEFAULT)
    lines = [HEAD]
    lines.append(
        f"Limits: a template has at most {SOURCE_MAX_CHARACTERS:,} characters, {PARSE_DEPTH_MAX} levels and {MARKS_MAX:,} "
        "tags, dots, commas, brackets and bars; one evaluation "
        f"{DEFAULT.steps:,} steps, {DEFAULT.output_characters:,} characters of text, {DEFAULT.depth} levels of data.\n\n"
    )
    lines += _list_functions("Global functions", GLOBALS.values(), meter)
    for receiver in ValueType:
        lines += _list_functions(
            f"On {receiver.value}", [table[receiver] for table in FUNCTIONS.values() if receiver in table], meter
        )
    return "".join(lines)


def _list_functions(title: str, functions: Iterable[Function], meter: Meter) -> list[str]:
    rows = [
        "| " + " | ".join((each.signature, _cell(each.example), _cell(write_json(each.gives, meter)))) + " |\n"
        for each in functions
    ]
    return [f"\n## {title}\n| function | example | gives |\n|---|---|---|\n", *rows] if rows else []


def _cell(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"
