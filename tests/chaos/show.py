"""A report for people, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Report


def missing(report: Report, wanted: dict[str, int]) -> list[str]:
    """Activity that was asked for and not reached."""
    seen = {**report.activity, "hits": len(report.hits)}
    return [
        f"{name}: {seen.get(name, 0)} of {least}"
        for name, least in wanted.items()
        if seen.get(name, 0) < least
    ]


def to_json(report: Report, short: list[str]) -> dict[str, Any]:
    return {
        "seed": report.seed, "seconds": report.seconds, "activity": report.activity, "faults": report.faults,
        "hits": report.hits, "statuses": report.statuses, "dlq": report.dead, "dlq_share": round(report.dlq_share, 4),
        "answers": report.answers, "drain_s": report.drain_s and round(report.drain_s, 1),
        "violations": [{"invariant": v.invariant, "subject": v.subject, "says": v.says} for v in report.violations],
        "missing": short,
    }  # fmt: skip


def show(report: Report, short: list[str], console: Console) -> None:
    table = Table(
        title=f"seed {report.seed}, {report.seconds:g} s", title_justify="left", show_header=False
    )
    for name, counts in (
        ("activity", report.activity), ("struck", report.faults), ("hit at the bank", report.hits),
        ("answers", report.answers), ("payouts", report.statuses), ("in the dlq", report.dead),
    ):  # fmt: skip
        table.add_row(name, ", ".join(f"{key} {count}" for key, count in counts.items()) or "none")
    table.add_row("dlq share", f"{report.dlq_share:.1%}")
    table.add_row("drain", "not drained" if report.drain_s is None else f"{report.drain_s:.1f} s")
    console.print(table)
    for one in report.violations:
        console.print(f"✗ {one.invariant} {one.subject}: {one.says}", style="red", markup=False)
    for line in short:
        console.print(f"✗ too little of {line}", style="red", markup=False)
    if not report.violations and not short:
        console.print("✓ nothing paid twice, nothing lost", style="green")
