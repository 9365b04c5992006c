"""One real conversion, shared: the weights come from the offline package, never from the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from custom_router.encoder import MiniLMEncoder
from custom_router.encoder.model_cache import MODEL


@pytest.fixture(scope="session")
def ready_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the converted models. Read it, never change it: `own_cache` is a copy to break."""
    root = tmp_path_factory.mktemp("encoder-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        MiniLMEncoder.load(root)
    return root


@pytest.fixture
def own_cache(ready_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of the ready cache, without a route to the hub."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Path(shutil.copytree(ready_cache, tmp_path / "cache"))


@pytest.fixture
def own_folder(own_cache: Path) -> Path:
    """The folder of `own_cache` that holds the files."""
    return own_cache / "encoder" / MODEL


@pytest.fixture(scope="session")
def int8(ready_cache: Path) -> MiniLMEncoder:
    return MiniLMEncoder.load(ready_cache)


@pytest.fixture(scope="session")
def fp32(ready_cache: Path) -> MiniLMEncoder:
    return MiniLMEncoder.load(ready_cache, "fp32")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No route to the hub."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
