"""What the serving process may load: neither torch nor what only set-up and training need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_no_heavy_module_is_imported_to_serve() -> None:
    program = (
        "import sys, hooks.pre_call, hooks.post_call, hooks.auto_router\n"
        "from custom_router.litellm_adapter.process import _connected\n"
        "adapter = next(iter(_connected.values()))\n"
        "adapter.runtime.engine.encoder.load_now()\n"
        "heavy = {'torch', 'sklearn', 'onnx', 'matplotlib', 'transformers', 'sentence_transformers', 'vllm'}\n"
        "heavy |= {'duckdb'}\n"
        "print(len(_connected), sorted(heavy & set(sys.modules)))\n"
        "adapter.runtime.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "1 []"
