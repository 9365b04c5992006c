"""`tier-router overrides`: whether the domains hold, before a change and after it."""

from __future__ import annotations

import typer

from custom_router.cli import overrides_audit, overrides_examples

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Test and audit the domains of the policy.")
app.command("test")(overrides_examples.run_examples)
app.command("audit")(overrides_audit.audit)
