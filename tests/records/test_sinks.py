"""JSON lines on a disk that misbehaves: records may be lost and counted, a request never notices."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from custom_router.records import sinks
from custom_router.records.record import DecisionRecord, Tenant
from custom_router.records.sinks import JsonLinesSink, MemorySink


@pytest.fixture(autouse=True)
def _no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "FLUSH_SECONDS", 0.0)


def record(name: object = "r", text: str | None = None) -> DecisionRecord:
    return DecisionRecord(str(name), "t", "v", "auto", "chat", False, Tenant(), text=text)


def sink(directory: Path, *, segment_bytes: int = 2**20, keep: int = 10, queue_size: int = 10_000) -> JsonLinesSink:
    return JsonLinesSink(directory, segment_bytes=segment_bytes, keep=keep, queue_size=queue_size)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("decisions-*.jsonl"))


def names(directory: Path) -> list[str]:
    return [json.loads(line)["request_id"] for path in segments(directory) for line in path.read_bytes().splitlines()]


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("tier_router_records_dropped_total", {"reason": reason}) or 0.0


def written() -> float:
    return REGISTRY.get_sample_value("tier_router_records_written_total") or 0.0


def test_every_record_is_one_complete_line_in_order(tmp_path: Path) -> None:
    out, before = sink(tmp_path / "new" / "folder"), written()
    for i in range(500):
        out.write(record(i, "line\nend \u2028 \x00 ünïcode"))
    assert out.flush()
    assert names(tmp_path / "new" / "folder") == [str(i) for i in range(500)]
    assert written() - before == 500
    (path,) = segments(tmp_path / "new" / "folder")
    assert path.read_bytes().endswith(b"}\n")
    assert out.waiting == 0


def test_threads_may_write_together(tmp_path: Path) -> None:
    out = sink(tmp_path)

    def write(worker: int) -> None:
        for i in range(100):
            out.write(record(f"{worker}-{i}", "x" * 500))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.flush()
    assert sorted(names(tmp_path)) == sorted(f"{t}-{i}" for t in range(8) for i in range(100))


def test_segments_rotate_and_only_the_kept_stay(tmp_path: Path) -> None:
    out = sink(tmp_path, segment_bytes=1_000, keep=3)
    for i in range(40):
        out.write(record(i, "x" * 1_000))
        assert out.flush()
    assert len(segments(tmp_path)) == 4, "three closed and the one being written"
    assert names(tmp_path) == ["36", "37", "38", "39"]


def test_a_kept_folder_is_not_cleared_of_other_files(tmp_path: Path) -> None:
    other = tmp_path / "decisions-otherhost-1-20200101T000000000000.jsonl"
    other.write_text("{}\n")
    out = sink(tmp_path, segment_bytes=1, keep=1)
    for i in range(5):
        out.write(record(i))
        assert out.flush()
    assert other.exists()


def test_a_segment_taken_away_is_begun_anew(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.write(record("before"))
    assert out.flush()
    segments(tmp_path)[0].unlink()
    out.write(record("after"))
    assert out.flush()
    assert names(tmp_path) == ["after"]


def test_two_sinks_share_a_directory(tmp_path: Path) -> None:
    first, second = sink(tmp_path), sink(tmp_path)
    for i in range(100):
        first.write(record(f"a{i}"))
        second.write(record(f"b{i}"))
    assert first.flush()
    assert second.flush()
    assert len(segments(tmp_path)) == 2
    assert sorted(names(tmp_path)) == sorted([f"a{i}" for i in range(100)] + [f"b{i}" for i in range(100)])


def test_a_file_in_the_folders_place_costs_records_until_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "records"
    place.write_text("in the way")
    out, before = sink(place), dropped("disk")
    for i in range(3):
        out.write(record(i))
    assert out.flush()
    assert dropped("disk") - before == 3
    assert caplog.text.count("decision records are being lost (disk)") == 1
    place.unlink()
    out.write(record("later"))
    assert out.flush()
    assert names(place) == ["later"]


@pytest.mark.parametrize("directory", ["/dev/null/records", "a\0b", "\ud800", "x" * 5_000])
def test_an_impossible_folder_costs_records_not_the_writer(directory: str) -> None:
    out, before = sink(Path(directory)), dropped("disk")
    out.write(record())
    assert out.flush()
    out.write(record())
    assert out.flush(), "the writing thread is still there"
    assert dropped("disk") - before == 2


def test_a_full_disk_costs_records_is_counted_and_leaves_no_litter(tmp_path: Path) -> None:
    """A limit on file size stands in for the full disk: writing past it fails midway, as ENOSPC does."""
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
from prometheus_client import REGISTRY
from custom_router.records import sinks
from custom_router.records.record import DecisionRecord, Tenant
sinks.FLUSH_SECONDS = 0.0
out = sinks.JsonLinesSink(sys.argv[1], segment_bytes=10**6, keep=2, queue_size=100)
for i in range(40):
    out.write(DecisionRecord(str(i), "t", "v", "auto", "chat", False, Tenant(), text="x" * 4000))
    assert out.flush()
for i in range(2):
    out.write(DecisionRecord(f"small{i}", "t", "v", "auto", "chat", False, Tenant()))
    assert out.flush()
print(REGISTRY.get_sample_value("tier_router_records_dropped_total", {"reason": "disk"}))
print(REGISTRY.get_sample_value("tier_router_records_written_total"))
"""
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["40.0", "2.0"], run.stderr
    assert len(segments(tmp_path)) <= 3, "broken segments are thinned like closed ones"
    whole = [line for path in segments(tmp_path) for line in path.read_bytes().splitlines(True) if line.endswith(b"\n")]
    assert [json.loads(line)["request_id"] for line in whole] == ["small0", "small1"]


def test_an_overfull_queue_drops_and_counts(tmp_path: Path) -> None:
    fifo = tmp_path / "stuck"
    fifo.mkdir()
    entered, release = threading.Event(), threading.Event()

    class Stuck(JsonLinesSink):
        """A sink whose disk stands still until released."""

        def _append(self, lines: list[bytes]) -> None:
            entered.set()
            release.wait(30)
            super()._append(lines)

    out = Stuck(fifo, segment_bytes=2**20, keep=1, queue_size=5)
    before = dropped("queue_full")
    out.write(record("first"))
    assert entered.wait(30)
    for i in range(9):
        out.write(record(i))
    assert out.waiting == 5
    assert dropped("queue_full") - before == 4
    assert not out.flush(0.01), "nothing can be on disk yet"
    release.set()
    assert out.flush(30)
    assert names(fifo) == ["first", "0", "1", "2", "3", "4"]


def test_the_memory_sink_keeps_records() -> None:
    out = MemorySink()
    out.write(record("a"))
    assert [r.request_id for r in out.records] == ["a"]
