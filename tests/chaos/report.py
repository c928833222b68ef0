"""A run's figures, for people and for `docs/reliability.md`. Pure but for `save`."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from .evidence import Evidence
from .judge import Figures, Verdict

HEADINGS = (
    "seed", "faults", "items sent", "unconfirmed", "processed", "lost", "repeated",
    "outstanding at faults", "Jobs", "seconds to converge",
)  # fmt: skip


def render(evidence: Evidence, verdict: Verdict) -> str:
    """Return what is printed at a run's end."""
    lines = [f"seed {evidence.seed}: {_describe_faults(evidence)}", ""]
    lines.append(_row("queue", *HEADINGS[2:9]))
    lines += [_row(queue, *_columns(figures)) for queue, figures in verdict.figures.items()]
    lines.append(_row("all", *_columns(verdict.total)))
    lines += ["", f"converged in {verdict.converged_seconds:.0f} s"]
    for queue, outcome in evidence.outcomes.items():
        lines.append(f"  {queue}: {outcome.condition or 'has not ended'}")
    lines += [f"VIOLATED: {violation}" for violation in verdict.violations]
    lines.append("every promise was kept" if not verdict.violations else "NOT every promise kept")
    return "\n".join(lines)


def render_markdown_row(evidence: Evidence, verdict: Verdict) -> str:
    """Return the run's line of the table whose columns are HEADINGS."""
    cells = (
        evidence.seed, len(evidence.injections), *_columns(verdict.total),
        f"{verdict.converged_seconds:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def save(directory: Path, evidence: Evidence, verdict: Verdict) -> None:
    """Write all of it as JSON, and the line for the table."""
    directory.mkdir(parents=True, exist_ok=True)
    everything = {"evidence": asdict(evidence), "verdict": asdict(verdict)}
    text = json.dumps(everything, indent=1, default=sorted)
    (directory / "evidence.json").write_text(text + "\n")
    (directory / "row.md").write_text(render_markdown_row(evidence, verdict) + "\n")


def _describe_faults(evidence: Evidence) -> str:
    counted = Counter(f"{one.kind} {one.target}" for one in evidence.injections)
    kinds = ", ".join(f"{count} x {name}" for name, count in sorted(counted.items()))
    return f"{len(evidence.injections)} faults injected of {evidence.scheduled}: {kinds}"


def _columns(figures: Figures) -> tuple[int, ...]:
    return (
        figures.sent, figures.unconfirmed, figures.processed, figures.lost, figures.repeated,
        figures.outstanding, figures.jobs,
    )  # fmt: skip


def _row(first: str, *cells: object) -> str:
    return f"{first:<10}" + "".join(f"{cell!s:>{max(12, len(str(cell)) + 2)}}" for cell in cells)
