"""`scripts/serve`: the proxy with real providers, or with simulated ones and no key."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.stack import Stack, StackError

app = typer.Typer(add_completion=False)

_FROM_ENVIRONMENT = re.compile(r"^\s*[^#\n]*os\.environ/([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    simulated: Annotated[bool, typer.Option(help="Simulated providers: no key, no network.")] = False,
    port: Annotated[int, typer.Option(help="Port of the proxy.")] = 4000,
    config: Annotated[Path | None, typer.Option(help="LiteLLM configuration.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Routing policy.")] = None,
    workdir: Annotated[Path, typer.Option(help="Folder for logs and records when simulated.")] = Path("var/serve"),
    latency_scale: Annotated[float, typer.Option(help="Multiplies the simulated latencies.")] = 1.0,
    replay: Annotated[Path | None, typer.Option(help="JSON lines of recorded answers for the simulator.")] = None,
) -> None:
    """Serve; simulated, print `ready` once it answers. Further arguments go to `litellm`, such as --num_workers 2."""
    config_path = config or bundle_root() / CONFIG
    policy_path = policy or bundle_root() / POLICY
    if simulated:
        key = os.environ.get("LITELLM_MASTER_KEY", "sk-local")
        stack = Stack(
            config_path, policy_path, workdir.resolve(), port, key, latency_scale, replay, arguments=tuple(context.args)
        )
        _serve_simulated(stack)
        return
    if missing := missing_variables(config_path.read_text(encoding="utf-8")):
        typer.echo(f"{config_path} takes these from the environment, and they are not set:", err=True)
        typer.echo("".join(f"  {name}\n" for name in missing), err=True)
        typer.echo("Set them, or remove the deployments that need them. Without any key: scripts/demo", err=True)
        raise typer.Exit(1)
    os.environ["TIER_ROUTER_POLICY"] = str(policy_path.resolve())
    litellm = str(Path(sys.executable).parent / "litellm")
    os.execv(litellm, [litellm, "--config", str(config_path), "--port", str(port), *context.args])  # noqa: S606


def missing_variables(config: str) -> list[str]:
    """Variables that a LiteLLM configuration names outside comments and that are not set, in order."""
    return [name for name in dict.fromkeys(_FROM_ENVIRONMENT.findall(config)) if not os.environ.get(name)]


def _serve_simulated(stack: Stack) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with stack:
            print("ready", flush=True)
            while not stop.wait(0.5):
                if stack.proxy.poll() is not None:
                    raise StackError(f"the proxy stopped with code {stack.proxy.returncode}; see {stack.workdir}")
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
