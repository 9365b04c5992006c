"""Records in a bucket, read from a real S3 server; and what is said where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer

from custom_router.records.record import CostFields
from custom_router.reports.source import remote_patterns
from tests.cli.cli_calls import run
from tests.reports.lines import made, matched, write

SECRET = "s3cr't-key"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """An empty bucket `kept` at a server of its own, found as any other: by the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            client = boto3.client("s3")
            client.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            yield client
    finally:
        server.stop()


def test_a_bucket_is_reported_like_the_folder_it_was_copied_from(bucket: Any, tmp_path: Path) -> None:
    folder = write(tmp_path / "records", made(1, cost=CostFields(total=1.0)), matched(2))
    write(folder, made(3, cost=CostFields(total=0.5)), name="decisions-2.jsonl")
    (folder / "feedback").mkdir()
    line = {"request_id": "r1", "time": "2026-11-11T00:00:00.000+00:00", "score": 1.0}
    (folder / "feedback" / "feedback-1.jsonl").write_bytes(orjson.dumps(line) + b"\n")
    (folder / "pruned").mkdir()
    gone = {"segment": "decisions-0.jsonl", "since": "2026-11-02T00:00:00+00:00", "until": "2026-11-03T00:00:00+00:00"}
    (folder / "pruned" / "decisions-0.jsonl").write_bytes(orjson.dumps(gone) + b"\n")
    for path in folder.rglob("*.jsonl"):
        bucket.upload_file(str(path), "kept", f"router/{path.relative_to(folder)}")
    bucket.put_object(Bucket="kept", Key="router/other.txt", Body=b"no records")
    told = []
    for where in (str(folder), "s3://kept/router/*.jsonl", "s3://kept/router/"):
        result = run("report", "--month", "2026-11", "--records", where, "--json")
        assert result.exit_code == 0, result.output
        told.append(orjson.loads(result.stdout))
    for report in told:
        assert (report["requests"], report["cost"]["total"], report["quality"]["labelled"]) == (3, 1.5, 1)
        assert any("of 2026-11-02 00:00 to 2026-11-03 00:00 UTC workers have deleted" in n for n in report["notes"])
        assert (report["read"]["segments"], report["by"]["domain"][0]["name"]) == (2, "finance")


@pytest.mark.parametrize("where", ["s3://kept/nothing/*.jsonl", "s3://no-such-bucket/*.jsonl"])
def test_what_is_not_there_fails_and_tells_no_secret(bucket: Any, where: str) -> None:
    result = run("report", "--records", where)
    assert result.exit_code == 1
    assert where in result.stderr
    assert SECRET not in result.output


def test_without_the_extension_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))  # where DuckDB keeps those that it fetched
    result = run("report", "--records", "s3://kept/records/")
    assert result.exit_code == 1
    assert "httpfs" in result.stderr
    assert "litellm-tier-router[s3]" in result.stderr


def test_other_addresses_are_refused() -> None:
    result = run("report", "--records", "https://example.com/records.jsonl")
    assert result.exit_code == 1
    assert "only s3://" in result.stderr


def test_a_folder_of_a_bucket_and_the_feedback_beside_its_records() -> None:
    beside = "s3://b/p/feedback/*.jsonl", "s3://b/p/pruned/*.jsonl"
    assert remote_patterns("s3://b/p/") == ("s3://b/p/*.jsonl", *beside)
    assert remote_patterns("s3://b/p/2026-*.jsonl.gz") == ("s3://b/p/2026-*.jsonl.gz", *beside)
