"""Writes docs/import-jira-rules.md from the table of component types; a test compares the two."""

from collections.abc import Mapping
from typing import Final

from blubees.flows.jira_rules.export import COMPONENTS_MAX, DEPTH_MAX, FILE_MAX_BYTES, RULES_MAX
from blubees.flows.jira_rules.report import Verdict
from blubees.flows.jira_rules.seen import SEEN
from blubees.flows.jira_rules.table import ACTIONS, BRANCHES, CONDITIONS, CONTAINER, GROUP, TRIGGERS, Entry

HEAD: Final = """\
# Importing rules of Jira Automation
`blubees import jira-rules FILE [--out FOLDER] [--replace] [--json]` turns exported rules into flows: one YAML file a
flow, and `report.json` beside them, which says of each component whether it was **translated**, **approximated** (how) or
is **not translatable** (why, and what to do instead). It works offline and sends nothing anywhere. This page is made from
the table of component types.

**The file** is what Jira exports (a rule, a project's rules or the whole site's; Cloud and Data Center), or an answer of
the public API for rules. At most {bytes:,} bytes, {rules:,} rules, {components:,} components a rule, {depth} levels. Exit
code 1: the file can't be read, or something was not translatable.

**What comes out is a draft.** A flow starts nothing before somebody publishes it, whether its rule was enabled or not.
What could not be translated is held by a `placeholder` step at its place, with how it stood in the rule as a comment
above: such a flow is not published (`flow publish` refuses it), so that nothing is left out unnoticed. Put steps in its
place, or remove it.

**What is kept**: names, descriptions, the comments of components (as YAML comments), labels and the state in Jira (in the
report and as comments), the order of everything, projects that limit the rule (as a condition).

**Secrets are stripped**: headers (but for harmless ones such as Content-Type), user information, parameters and parts of
addresses that are or look like secrets, tokens and passwords in any text, webhook tokens, ids of connections. They are in
no file, no message and no log. The report lists the connections to make, with the command for each.

**What is different in BluBees**
- A flow acts as the app, not as the rule's actor.
- Jira's events bring few of an issue's fields. A rule that reads more asks for the issue first (`the_issue`); conditions
  that come first stand in the trigger's `where`, so that a run which would end at once is not started.
- Branches are done one after the other, before the main line goes on; Jira does them later and at a time. Inside, `issue`
  is the branch's issue and `triggerIssue` the one that started the rule, as in Jira. A condition in a branch ends the
  turn, in the main line the run.
- `createdIssue`, `lookupIssues`, `webhookResponse` and variables become `steps.…` and names that `set` gives.
  `createdIssue` has key and id.
- Every smart value is compiled: one that BluBees does not know is told with its character, its step becomes a
  placeholder.
- An address that is itself a secret (incoming webhooks of Slack, Teams and others) can't be kept: such steps use the
  service's API.
- A web request with two secrets can't be translated: a connection brings one.
- Statuses, types, priorities, projects and fields that the rule names by ids are those of the site that it was exported
  from.

Atlassian documents neither types nor their values. Those marked *seen* stood in exports, or were read from Jira's own pages, by
people who published them; the others are by hearsay. Types not in this list become placeholders.
"""


def render_page() -> str:
    """Write the page."""
    head = HEAD.format(bytes=FILE_MAX_BYTES, rules=RULES_MAX, components=COMPONENTS_MAX, depth=DEPTH_MAX)
    blocks = {
        CONTAINER: Entry(
            CONTAINER, "choose: its blocks are branches, with `and` or `or` between their conditions", lambda: None
        ),
        GROUP: Entry(GROUP, "its steps, one after the other", lambda: None),
    }
    parts = [head]
    for title, table in (
        ("Triggers", TRIGGERS),
        ("Conditions", CONDITIONS | {CONTAINER: blocks[CONTAINER]}),
        ("Branches", BRANCHES | {GROUP: blocks[GROUP]}),
        ("Actions", ACTIONS),
    ):
        parts += [f"\n## {title}\n| type | | verdict | becomes, or why not |\n|---|---|---|---|\n", *_write_rows(table)]
    return "".join(parts)


def _write_rows(table: Mapping[str, Entry]) -> list[str]:
    known = SEEN | {CONTAINER, GROUP}
    return [
        f"| `{entry.type}` | {'seen' if entry.type in known else ''} | {_word(entry.verdict)} | {entry.becomes} |\n"
        for entry in table.values()
    ]


def _word(verdict: Verdict) -> str:
    return verdict.value.replace("_", " ")
