"""docs/overrides.md followed step by step, its own blocks and commands, against the running proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from custom_router.demo.stack import Stack
from tests.cli.cli_calls import run
from tests.docs.documents import blocks
from tests.e2e.conftest import Proxy, quick_config, shipped_policy, wait_until

(PART,) = (block.text for block in blocks("yaml policy-part"))
(OVERRIDES,) = (block.text for block in blocks("yaml overrides"))
(EXAMPLES,) = (block.text for block in blocks("yaml examples"))
ASKED = "How is insulin stored?"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    work = tmp_path_factory.mktemp("overrides")
    constant = {"kind": "constant", "constant": 0.99}
    policy = shipped_policy(work, cache={"enabled": False}, classifier=constant)
    with Stack(quick_config(work), policy, work, latency_scale=0.0) as running:
        yield Proxy(running)


def test_the_page_from_beginning_to_end(stack: Proxy, tmp_path: Path) -> None:
    served = stack.stack.policy
    assert stack.chat(ASKED).headers["x-router-domain"] == "none"

    # Once, by the platform engineer: named before it is there, the file is asked for and the old policy stays.
    served.write_text(served.read_text(encoding="utf-8") + PART, encoding="utf-8")
    wait_until(lambda: stack.health()["policy"]["findings"] != [])
    (finding,) = stack.health()["policy"]["findings"]
    assert "overrides.yaml" in finding
    assert stack.chat(ASKED).status_code == 200

    # 1 and 2, in a folder of one's own.
    mine = tmp_path / "routing_policy.yaml"
    mine.write_text(served.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "overrides.yaml").write_text(OVERRIDES, encoding="utf-8")
    examples = tmp_path / "medical_examples.yaml"
    examples.write_text(EXAMPLES, encoding="utf-8")
    tested = run("overrides", "test", examples, "--policy", mine)
    assert tested.exit_code == 0, tested.output
    examples.write_text(EXAMPLES.replace("500 mg", "half a gram"), encoding="utf-8")
    missed = run("overrides", "test", examples, "--policy", mine)
    assert missed.exit_code == 1
    assert "medical_examples.yaml:4: miss: expected medical, found no domain" in missed.output

    # What it would have done: the request from above, and nothing has changed by asking.
    edit = {"text": served.read_text(encoding="utf-8"), "overrides": OVERRIDES}
    tried = stack.http.post("/router/api/policy/check", json=edit).json()
    assert tried["effect"]["domains"]["medical"]["before"] == 0, tried
    assert tried["effect"]["domains"]["medical"]["after"] >= 1
    assert tried["effect"]["from_to"]["simple→frontier"] >= 1
    assert stack.chat(ASKED).headers["x-router-domain"] == "none"

    # 3. Live, without a restart.
    saved = time.monotonic()
    (served.parent / "overrides.yaml").write_text(OVERRIDES, encoding="utf-8")
    wait_until(lambda: stack.chat(ASKED).headers["x-router-domain"] == "medical")
    print(f"live {time.monotonic() - saved:.2f} s after the file was saved")
    for prompt in yaml.safe_load(EXAMPLES)["medical"]:
        answer = stack.chat(prompt)
        assert (answer.headers["x-router-domain"], answer.headers["x-router-tier"]) == ("medical", "frontier")
        assert answer.headers["x-router-policy"] == stack.health()["policy"]["version"]
    assert stack.chat("Take a chill pill.").headers["x-router-domain"] == "none"

    gone = stack.http.post("/router/api/policy/check", json={"overrides": "domains: {other: {}}"}).json()
    assert gone["effect"]["domains"]["medical"]["before"] > gone["effect"]["domains"]["medical"].get("after", 0) == 0
    history = stack.http.get("/router/api/policy").json()["history"]
    assert (history[0]["overrides"], history[1]["overrides"]) == (OVERRIDES, None)

    # 4. The proof.
    asked = len(yaml.safe_load(EXAMPLES)["medical"])
    wait_until(lambda: sum(r["domain"]["name"] == "medical" for r in stack.records()) > asked)
    told = run("overrides", "audit", "--since", "1h", "--records", stack.stack.records, "--policy", served, "--json")
    assert told.exit_code == 0, told.output
    proof = json.loads(told.stdout)
    assert proof["domains"]["medical"]["matched"] == proof["domains"]["medical"]["held"] > asked
    assert proof["domains"]["medical"]["rules"]["term:insulin"] >= 1


def test_a_broken_edit_leaves_the_last_good_one_and_the_audit_finds_shadow(stack: Proxy) -> None:
    served, overrides = stack.stack.policy, stack.stack.policy.parent / "overrides.yaml"
    if not overrides.exists():
        pytest.skip("follows the test before it")
    before = stack.health()["policy"]["version"]
    overrides.write_text(OVERRIDES.replace("tier: frontier", "teir: simple"), encoding="utf-8")
    wait_until(lambda: "domains.medical.teir" in str(stack.health()["policy"]["findings"]))
    assert stack.chat(ASKED).headers["x-router-policy"] == before
    overrides.write_text(OVERRIDES, encoding="utf-8")
    wait_until(lambda: stack.health()["policy"]["findings"] == [])

    document = yaml.safe_load(served.read_text(encoding="utf-8"))
    served.write_text(yaml.safe_dump({**document, "mode": "shadow", "default_tier": "simple"}), encoding="utf-8")
    wait_until(lambda: stack.health()["policy"]["mode"] == "shadow")
    answer = stack.chat(ASKED)
    assert answer.headers["x-router-tier"] == "simple"
    stack.records_of(answer.headers["x-router-request-id"])
    told = run("overrides", "audit", "--since", "1h", "--records", stack.stack.records, "--policy", served)
    assert told.exit_code == 1
    assert answer.headers["x-router-request-id"] in told.stdout
    assert "the policy's mode was shadow" in told.stdout
