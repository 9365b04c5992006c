"""A report for a terminal, and as a page. Pure."""

from __future__ import annotations

from custom_router.reports import plots
from custom_router.reports.layout import over_time, sections, title
from custom_router.reports.page import heading, listed, page, table
from custom_router.reports.shape import Report
from custom_router.reports.text import aligned, printable


def as_text(report: Report) -> str:
    """For a terminal."""
    parts = [title(report)]
    first, *others = sections(report)
    told = over_time(report)
    for section in [first, *([told] if len(told.rows) > 1 else []), *others]:
        lines = [aligned([tuple(map(printable, row)) for row in section.rows])] if len(section.rows) > 1 else []
        parts.append("\n".join([section.title.upper(), *lines, *(printable(remark) for remark in section.remarks)]))
    return "\n\n".join(parts) + "\n"


def as_html(report: Report) -> str:
    """One page with pictures."""
    parts = [plots.traffic(report.over_time), plots.money(report.over_time)]
    pictures = {
        "Gate": plots.reliability("Gate's confidence", report.confidence),
        "Classifier": plots.reliability("Classifier's P(simple is good enough)", report.scores),
    }
    for section in sections(report):
        parts.append(heading(section.title))
        parts += [picture for name, picture in pictures.items() if section.title.startswith(f"{name}:")]
        parts += [table(section.rows)] if len(section.rows) > 1 else []
        parts += [listed(section.remarks)] if section.remarks else []
    return page(title(report), [part for part in parts if part])
