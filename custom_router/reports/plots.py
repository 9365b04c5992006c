"""The report's pictures, as SVG that a page holds: traffic and money over time, reliability. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from custom_router.reports.shape import Bin, Step
from custom_router.reports.text import usd

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 800, 220, 60, 24, 24
_INNER = _HEIGHT - _BOTTOM - _TOP
_LAYERS = ("simple", "medium", "frontier", "hits")


def traffic(steps: Sequence[Step]) -> str:
    """Requests of each step, stacked by the tier whose answer was delivered, the cache's on top."""
    most = max((sum(getattr(step, layer) for layer in _LAYERS) for step in steps), default=0)
    if not most:
        return ""
    wide = (_WIDTH - _LEFT) / len(steps)
    drawn = []
    for number, step in enumerate(steps):
        bottom = float(_HEIGHT - _BOTTOM)
        for layer in _LAYERS:
            tall = _INNER * getattr(step, layer) / most
            bottom -= tall
            if tall:
                left = _LEFT + number * wide + wide * 0.05
                drawn.append(
                    f'<rect class="{layer}" x="{left:.1f}" y="{bottom:.1f}" width="{wide * 0.9:.1f}" '
                    f'height="{tall:.1f}"/>'
                )
    legend = [(layer, "from the cache" if layer == "hits" else layer) for layer in _LAYERS]
    return _figure("Requests by tier over time", steps, f"{most:,}", drawn, legend)


def money(steps: Sequence[Step]) -> str:
    """Dollars of each step: what was paid, and what the frontier alone would have cost."""
    most = max((max(step.cost, step.frontier_baseline) for step in steps), default=0.0)
    if not most or len(steps) < 2:
        return ""
    drawn = [
        _line("baseline", steps, lambda step: step.frontier_baseline / most),
        _line("cost", steps, lambda step: step.cost / most),
    ]
    return _figure("Cost over time", steps, usd(most), drawn, [("simple", "paid"), ("frontier", "frontier alone")])


def reliability(heading: str, bins: Sequence[Bin]) -> str:
    """Mean probability of each bin against the share of good answers, with 95 % intervals; honest ones lie on the
    dashed line."""
    told = [found for found in bins if found.labelled and found.mean_confidence is not None]
    if not told:
        return ""
    side, left = _INNER, _LEFT
    base = _HEIGHT - _BOTTOM
    drawn = [
        f'<line class="axis" x1="{left}" y1="{base}" x2="{left + side}" y2="{base}"/>',
        f'<line class="axis" x1="{left}" y1="{_TOP}" x2="{left}" y2="{base}"/>',
        f'<line class="axis dashed" x1="{left}" y1="{base}" x2="{left + side}" y2="{_TOP}"/>',
    ]
    for found in told:
        x = left + side * (found.mean_confidence or 0.0)
        low, high = found.interval or (0.0, 1.0)
        drawn.append(
            f'<line class="whisker" x1="{x:.1f}" y1="{base - side * low:.1f}" x2="{x:.1f}" '
            f'y2="{base - side * high:.1f}"/>'
            f'<circle class="dot" cx="{x:.1f}" cy="{base - side * (found.good_share or 0.0):.1f}" r="4"/>'
        )
    labels = (
        f'<text x="{left - 8}" y="{_TOP + 4}" text-anchor="end">1</text>'
        f'<text x="{left - 8}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{left + side}" y="{_HEIGHT - 6}" text-anchor="end">probability 1</text>'
        f'<text x="{left}" y="14">{escape(heading)}: share good</text>'
    )
    return _svg(heading, "".join(drawn) + labels)


def _line(name: str, steps: Sequence[Step], height: Callable[[Step], float]) -> str:
    wide = (_WIDTH - _LEFT) / len(steps)
    points = " ".join(
        f"{_LEFT + (number + 0.5) * wide:.1f},{_HEIGHT - _BOTTOM - _INNER * height(step):.1f}"
        for number, step in enumerate(steps)
    )
    return f'<polyline class="line {name}" points="{points}"/>'


def _figure(
    heading: str, steps: Sequence[Step], most: str, drawn: Sequence[str], legend: Sequence[tuple[str, str]]
) -> str:
    base = _HEIGHT - _BOTTOM
    frame = (
        f'<line class="axis" x1="{_LEFT}" y1="{base}" x2="{_WIDTH}" y2="{base}"/>'
        f'<text x="{_LEFT - 8}" y="{_TOP + 4}" text-anchor="end">{escape(most)}</text>'
        f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{_at(steps[0].start)}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">{_at(steps[-1].start)}</text>'
    )
    keys = "".join(
        f'<rect class="{name}" x="{_LEFT + number * 130}" y="4" width="10" height="10"/>'
        f'<text x="{_LEFT + number * 130 + 16}" y="13">{escape(label)}</text>'
        for number, (name, label) in enumerate(legend)
    )
    return _svg(heading, frame + "".join(drawn) + keys)


def _svg(heading: str, content: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(heading)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"<title>{escape(heading)}</title>{content}</svg>"
    )


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
