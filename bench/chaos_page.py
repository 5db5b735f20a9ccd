"""Writes docs/chaos.md and draws docs/chaos.svg. Called by bench/chaos.py."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = (
    "accepted",
    "finished",
    "failed",
    "asked",
    "lost",
    "lost silently",
    "started twice",
    "twice keyed",
    "twice idempotent",
    "twice unsafe",
    "repeated after it was finished",
    "carried wrong",
)
COLOURS = {"finished": "C2", "failed": "C1", "lost": "C4", "lost silently": "C3"}


def write_page(folder: Path, tallies: list[Any], planted: dict[str, list[str]], seconds: float, *, has_clock: bool) -> None:
    """Write the page and draw the picture."""
    total: Counter[str] = sum((each.counts for each in tallies), Counter())
    rows = [(each.title, each.counts, each.take_over_seconds, each.broken) for each in tallies]
    broken_rows = [f"broken in {count} rows" for count in [sum(bool(each.broken) for each in tallies)] if count]
    rows.append(("**all together**", total, [second for each in tallies for second in each.take_over_seconds], broken_rows))
    failures: Counter[str] = sum((each.failures for each in tallies), Counter())
    good = all(planted.values()) and not any(each.broken for each in tallies)
    lines = [
        "# Runs under faults",
        "",
        f"Written by `make chaos` on {datetime.now(UTC):%Y-%m-%d} ({seconds:.0f} s on this machine). Each run has two effects",
        "at a third party of the campaign's own, which remembers every request. Five kinds of flows, as many of each: *keyed*",
        "(POST with an Idempotency-Key), *idempotent* (PUT), *unsafe* (POST), *waiting* and *asking* (unsafe, and parked",
        "between the effects: for 2 s, or for a person who signs off in Jira). Senders send again until they have a 2xx, and",
        "each tenth delivery twice. What is in doubt is answered as a person would who looks at the third party.",
        "",
        f"| fault | {' | '.join(COLUMNS)} | slowest take-over | promises |",
        f"|---|{'---:|' * (len(COLUMNS) + 1)}---|",
    ]
    for title, counts, take_overs, broken in rows:
        slowest = f"{max(take_overs):.1f} s of {len(take_overs)}" if take_overs else ""
        cells = [str(counts[name]) for name in COLUMNS]
        lines.append(f"| {title} | {' | '.join(cells)} | {slowest} | {'; '.join(broken) or 'kept'} |")
    lines += [
        "",
        "![what became of the runs](chaos.svg)",
        "",
        "- **failed**: the ledger says with what: "
        + (", ".join(f"{code} {count}" for code, count in failures.items()) or "none"),
        "  (an unsafe call that may have happened is not tried again).",
        "- **asked**: unsafe calls that may have happened when a process died: parked, and answered by a person. They are",
        "  among the finished ones. **lost**: told so in the ledger; only where the only broker of one machine dies.",
        "- **lost silently**: no end in the ledger, or an end without the effects. **twice**: an effect that happened twice.",
        "  **repeated after it was finished**: asked for again after the run had gone on to the next one, whatever its kind.",
        "- **slowest take-over**: from the kill to the run's next sign of life, of runs that another got; promised: 15 s.",
        "- **launched again**, where the only broker and all conduits die at once: runs that began with a Jira event, and were",
        f"  begun again from it: {total['launched again']} calls, with the keys of before. That row is broken when no run",
        "  is lost in it, or none launched again.",
        "- **started twice** after the only broker's death is a limit: deliveries of the day before are forgotten with it.",
    ]
    if not has_clock:
        lines.append("- Clock jumps were not tried: libfaketime is not installed here.")
    lines += ["", "## Planted defects", "", "| defect | seen as |", "|---|---|"]
    lines += [f"| {name} | {'; '.join(seen) or '**NOT SEEN**'} |" for name, seen in planted.items()]
    lines += ["", f"Verdict: **{'PASS' if good else 'FAIL'}**", ""]
    (folder / "chaos.md").write_text("\n".join(lines))
    draw(folder / "chaos.svg", tallies)


def draw(path: Path, tallies: list[Any]) -> None:
    """Draw what became of the runs, a bar for each fault."""
    figure, axes = plt.subplots(figsize=(9, 3.6))
    for place, each in enumerate(reversed(tallies)):
        asked, left = each.counts["asked"], 0
        parts = {name: each.counts[name] for name in COLOURS}
        parts["finished"] -= min(asked, parts["finished"])
        for name, width in [*parts.items(), ("asked a person, then finished", asked)]:
            axes.barh(place, width, 0.6, left=left, color=COLOURS.get(name, "C0"), label=name if place == 0 else None)
            left += width
        axes.text(left, place, f" {each.counts['accepted']} accepted", va="center", fontsize=8)
    axes.set_yticks(range(len(tallies)), [each.title for each in reversed(tallies)], fontsize=8)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.2)
    axes.set_xlabel("runs")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, 1.15), ncols=5)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
