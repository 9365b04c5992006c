"""The cache of converted models: damage, other releases, disagreement, two writers, no room."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from custom_router.encoder import EncoderUnavailable, MiniLMEncoder
from custom_router.encoder.artifacts import written_atomically
from custom_router.encoder.model_cache import MANIFEST

TEXT = "Does the warranty cover accidental damage?"


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model-int8.onnx", "tokenizer.json"])
def test_a_damaged_file_is_rebuilt(
    own_cache: Path, own_folder: Path, int8: MiniLMEncoder, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    flip_a_byte(own_folder / name)
    encoder = MiniLMEncoder.load(own_cache)
    np.testing.assert_array_equal(encoder.encode([TEXT]), int8.encode([TEXT]))
    assert f"{name} is missing or damaged and will be rebuilt" in caplog.text
    caplog.clear()
    MiniLMEncoder.load(own_cache)
    assert caplog.text == ""


def test_a_cut_manifest_is_rebuilt(own_cache: Path, own_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = own_folder / MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[: len(whole) // 2])
    assert MiniLMEncoder.load(own_cache).version == "minilm-l6-v2/int8-pc"
    assert "manifest.json is damaged and will be rebuilt" in caplog.text
    assert json.loads(manifest.read_bytes())["files"] == json.loads(whole)["files"]


@pytest.mark.parametrize("change", [{"conversion": 0}, {"reference": [[1.0]]}, {"probes": ["one"]}])
def test_a_cache_of_another_release_is_rebuilt(own_cache: Path, own_folder: Path, change: dict[str, object]) -> None:
    manifest = own_folder / MANIFEST
    whole = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(whole | change))
    assert MiniLMEncoder.load(own_cache).version == "minilm-l6-v2/int8-pc"
    assert json.loads(manifest.read_bytes()) == whole | {"origin": "package"}


def test_fp32_serves_where_int8_disagrees(
    own_cache: Path, own_folder: Path, fp32: MiniLMEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = own_folder / MANIFEST
    content = json.loads(manifest.read_bytes())
    # A stored reference that int8 misses is what a CPU with other int8 arithmetic looks like from here.
    content["reference"] = content["reference"][1:] + content["reference"][:1]
    manifest.write_text(json.dumps(content))
    encoder = MiniLMEncoder.load(own_cache)
    assert encoder.version == "minilm-l6-v2/fp32"
    assert "int8 vectors disagree with fp32 on this CPU" in caplog.text
    np.testing.assert_array_equal(encoder.encode([TEXT]), fp32.encode([TEXT]))


def test_two_processes_convert_at_once(tmp_path: Path, int8: MiniLMEncoder) -> None:
    code = (
        "import logging, sys; from pathlib import Path; logging.basicConfig(level=logging.INFO);"
        "from custom_router.encoder import MiniLMEncoder;"
        f"print(MiniLMEncoder.load(Path(sys.argv[1])).encode([{TEXT!r}]).tobytes().hex())"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for _ in range(2)
    ]  # fmt: skip
    ended = [process.communicate(timeout=120) for process in started]
    expected = int8.encode([TEXT]).tobytes().hex()
    assert [out.strip() for out, _ in ended] == [expected, expected], ended
    assert sum(err.count("converting the encoder once") for _, err in ended) == 1
    assert not list(tmp_path.rglob("*.partial"))


def test_a_killed_writers_leftover_is_dropped(own_cache: Path, own_folder: Path) -> None:
    leftover = own_folder / ".model-int8.onnx.abc.partial"
    leftover.write_bytes(b"half")
    (own_folder / "model-int8.onnx").unlink()
    MiniLMEncoder.load(own_cache)
    assert not leftover.exists()


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_text("old")

    def fail_halfway() -> None:
        with written_atomically(target) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail_halfway()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("model", "old")]


def test_an_unusable_cache_folder_says_how_to_mend_it(tmp_path: Path, offline: None) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EncoderUnavailable, match="Set TIER_ROUTER_CACHE to a folder"):
        MiniLMEncoder.load(tmp_path / "file" / "cache")


def test_the_cache_folder_comes_from_the_environment(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TIER_ROUTER_CACHE", str(own_cache))
    with caplog.at_level(logging.INFO):
        MiniLMEncoder.load()
    assert "converting" not in caplog.text
