"""One HTML page that needs nothing else and runs nothing. Whatever goes in is escaped: clients choose some names."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ --ink: #1a1a1a; --soft: #555; --rule: #ddd; --paper: #fff; --simple: #2a7f9e; --medium: #d99a2b;
  --frontier: #b5476a; --hits: #7a7a7a; --saved: #3c8d5a }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e8e8e8; --soft: #aaa; --rule: #3a3a3a; --paper: #161616; --simple: #5bb3d3; --medium: #e8b95c;
    --frontier: #e07c9e; --hits: #9a9a9a; --saved: #6cc08b }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }}
div.wide {{ overflow-x: auto; margin-bottom: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); font-weight: normal }}
th, td {{ white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left; overflow-wrap: anywhere; white-space: pre-wrap; min-width: 8rem }}
thead th {{ border-bottom: 2px solid var(--soft); font-weight: 600; vertical-align: bottom }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
.notes {{ color: var(--soft) }}
svg {{ width: 100%; height: auto; max-width: 56rem }}
svg text {{ fill: var(--soft); font-size: 11px }}
.axis {{ stroke: var(--rule) }} .line {{ fill: none; stroke-width: 2 }} .dashed {{ stroke-dasharray: 4 4 }}
.simple {{ fill: var(--simple) }} .medium {{ fill: var(--medium) }} .frontier {{ fill: var(--frontier) }}
.hits {{ fill: var(--hits) }} .line.cost {{ stroke: var(--simple) }} .line.baseline {{ stroke: var(--frontier) }}
.dot {{ fill: var(--saved) }} .whisker {{ stroke: var(--saved) }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A page of parts that are HTML already."""
    return _PAGE.format(title=escape(title), body="\n".join(parts))


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head. Where it is wider than the page, keys scroll it too."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    whole = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="wide" tabindex="0">{whole}</div>'


def heading(text: str) -> str:
    """A heading."""
    return f"<h2>{escape(text)}</h2>"


def listed(lines: Sequence[str]) -> str:
    """Remarks, one below another."""
    return '<ul class="notes">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
