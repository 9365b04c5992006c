"""A throwaway Postgres and what LiteLLM needs to keep real virtual keys in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from custom_router.demo.stack import free_port

HERE = Path(__file__).parent


def missing() -> list[str]:
    """The programs that are not installed."""
    found = {"initdb": _program("initdb"), "node": shutil.which("node"), "npm": shutil.which("npm")}
    return [name for name, path in found.items() if path is None]


def _program(name: str) -> str | None:
    # Debian keeps them off the path, a folder for each version.
    return shutil.which(name) or next(iter(sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)


def prepare(workdir: Path) -> dict[str, str]:
    """Install what `prepare.sh` installs, once for each `workdir`. The environment to start the proxy in."""
    done = subprocess.run([str(HERE / "prepare.sh"), sys.executable, str(workdir)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        "PATH": f"{workdir}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(workdir / "site"), os.environ.get("PYTHONPATH")))),
        "PRISMA_QUERY_ENGINE_BINARY": str(workdir / "engine.js"),
        "PRISMA_SCHEMA_ENGINE_BINARY": str(workdir / "version-stub.sh"),
        "DISABLE_SCHEMA_UPDATE": "true",
        "CHECKPOINT_DISABLE": "1",
    }


@contextmanager
def postgres(schema: Path) -> Iterator[str]:
    """The URL of a new database that holds the tables of the SQL file `schema`."""
    # Not under pytest's own folder, which no other user may enter: Postgres refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="router-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port = free_port()
    ready = {"cwd": folder, "user": user, "check": True, "capture_output": True, "text": True}
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    control = [str(_program("pg_ctl")), "-D", str(folder / "data"), "-w"]
    try:
        subprocess.run([str(_program("initdb")), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"], **ready)
        subprocess.run(
            [*control, "-l", str(folder / "log"), "-o", options, "start"], **{**ready, "capture_output": False}
        )
        try:
            # The migrations repeat each other in places, and Postgres says so.
            with schema.open() as tables:
                subprocess.run([str(_program("psql")), "-q", url], stdin=tables, capture_output=True, check=True)
            yield url
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **ready)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
