"""The `tier-router` command. Each command imports what it needs when it runs, so that `--help` stays quick."""

from __future__ import annotations

import typer

from custom_router.cli import (
    bill,
    cache,
    cache_match,
    check,
    encoder,
    explain,
    export,
    fit_gate,
    fit_rating,
    gate,
    init,
    keys,
    matrix,
    model,
    overrides,
    profiles,
    report,
    route,
    schema,
    tail,
    train,
)

app = typer.Typer(
    name="tier-router",
    no_args_is_help=True,
    # Plain text: rich's boxes do not survive a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Cost router for LiteLLM Proxy: set it up, check it, and see what it decides and why.

    \b
    First steps:
      tier-router init my-proxy && cd my-proxy
      tier-router check
      litellm --config litellm_config.yaml

    Exit codes: 0 all is well, 1 something was found or failed, 2 the command was typed wrongly.
    """,
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("route")(route.route)
app.command("explain")(explain.explain)
app.command("gate")(gate.gate)
app.command("fit-gate")(fit_gate.fit_gate)
app.command("cache-match")(cache_match.cache_match)
app.command("bill")(bill.bill)
app.command("report")(report.report)
app.command("tail")(tail.tail)
app.command("export")(export.export)
app.command("fit-rating")(fit_rating.fit_rating)
app.command("train")(train.train)
app.command("matrix")(matrix.matrix)
app.command("profiles")(profiles.profiles)
app.command("schema")(schema.schema)
app.add_typer(model.app, name="model")
app.add_typer(cache.app, name="cache")
app.add_typer(encoder.app, name="encoder")
app.add_typer(keys.app, name="keys")
app.add_typer(overrides.app, name="overrides")


def main() -> None:
    """Entry point of the `tier-router` command."""
    app()
