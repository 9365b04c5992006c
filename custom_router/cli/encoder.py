"""`tier-router encoder`: the sentence encoder's set-up."""

from __future__ import annotations

import typer

from custom_router.cli.terminal import fail, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Set up the sentence encoder.")


@app.callback()
def encoder() -> None:
    """Set up the sentence encoder."""


@app.command()
def fetch() -> None:
    """Find, convert and check the encoder now, not at the first start.

    Looks in the cache folder ($TIER_ROUTER_CACHE), then on the Hugging Face hub, then for the offline package.

    \b
    Example:
      TIER_ROUTER_CACHE=/var/cache/tier-router tier-router encoder fetch
    """
    from custom_router.encoder import EncoderUnavailable, MiniLMEncoder
    from custom_router.encoder.minilm import VERSIONS, agreement
    from custom_router.encoder.model_cache import MANIFEST, Manifest, obtain
    from custom_router.encoder.session import MiniLMSession
    from custom_router.encoder.source import default_cache_root

    try:
        version = MiniLMEncoder.load().version
        precision = next(name for name, known in VERSIONS.items() if known == version)
        converted = obtain(default_cache_root(), precision)
    except EncoderUnavailable as error:
        fail(str(error))
    manifest = Manifest.model_validate_json((converted.model.parent / MANIFEST).read_bytes())
    mean, least = agreement(MiniLMSession(converted.model, converted.tokenizer), converted)
    say(f"version    {version}")
    say(f"source     {manifest.origin}")
    say(f"agreement  cosine with fp32: mean {mean:.4f}, least {least:.4f}")
    say(f"path       {converted.model}")
