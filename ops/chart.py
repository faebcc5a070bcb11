"""A stacked bar for each day, drawn as SVG by the server: it needs no script and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP = 40, 150, 10
# What a day's payouts became, from the ground up: (what the legend says, its colour, its statuses).
LAYERS = (
    ("settled", "good", ("settled",)),
    ("sent", "sent", ("sent",)),
    ("on the way", "way", ("pending", "processing", "scheduled")),
    ("in doubt, to approve", "wait", ("in_doubt", "requires_approval")),
    ("will retry", "retry", ("failed",)),
    ("given back", "over", ("rejected", "cancelled", "returned")),
    ("needs a person", "bad", ("dlq",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    y: int
    height: int
    tone: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    x: int
    label: str
    total: int
    top: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    bars: tuple[Bar, ...]
    legend: tuple[tuple[str, str], ...]
    width: int
    height: int
    words: str  # for those who do not see it


def stacked(days: Sequence[tuple[str, Mapping[str, int]]]) -> Chart:
    most = max([sum(counted.values()) for _, counted in days] + [1])
    bars = [_bar(n, label, counted, most) for n, (label, counted) in enumerate(days)]
    seen = {block.tone for bar in bars for block in bar.blocks}
    return Chart(
        bars=tuple(bars),
        legend=tuple((title, tone) for title, tone, _ in LAYERS if tone in seen),
        width=len(days) * (WIDTH + GAP),
        height=HEIGHT + 36,
        words="; ".join(f"{bar.label}: {bar.total}" for bar in bars if bar.total) or "no payouts",
    )


def _bar(place: int, label: str, counted: Mapping[str, int], most: int) -> Bar:
    blocks, ground = [], HEIGHT + 16
    for title, tone, statuses in LAYERS:
        number = sum(counted.get(status, 0) for status in statuses)
        if not number:
            continue
        height = max(3, number * HEIGHT // most)  # One of a thousand is still seen.
        ground -= height
        told = f"{label}: {number} {title}"
        blocks.append(Block(y=ground, height=height, tone=tone, title=told))
    total = sum(counted.values())
    x = place * (WIDTH + GAP) + GAP // 2
    return Bar(x=x, label=label, total=total, top=ground - 4, blocks=tuple(blocks))
