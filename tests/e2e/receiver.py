"""A local server that takes whatever is posted to it, such as OTLP traces."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass
class Receiver:
    """What has been posted so far, by path."""

    url: str
    posted: dict[str, list[bytes]] = field(default_factory=dict)

    def spans(self, path: str) -> list[tuple[str, dict[str, Any]]]:
        """Name and attributes of every span posted to a path in OTLP's binary form."""
        found: list[tuple[str, dict[str, Any]]] = []
        for body in list(self.posted.get(path, ())):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans = (span for scope in resource.scope_spans for span in scope.spans)
                found += [(span.name, {pair.key: _plain(pair.value) for pair in span.attributes}) for span in spans]
        return found


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            with lock:
                held.posted.setdefault(self.path, []).append(body)
            self._answer(b"{}")

        def do_GET(self) -> None:
            self._answer(b"{}")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not onto the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
