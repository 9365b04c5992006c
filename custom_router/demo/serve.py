"""`scripts/serve`: the proxy with real providers, or with simulated ones and no key."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.check.config import parse_config
from custom_router.check.keys import unset
from custom_router.demo.stack import Stack, StackError, local_key, refuse_taken

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    simulated: Annotated[bool, typer.Option(help="Simulated providers: no key, no network.")] = False,
    port: Annotated[int, typer.Option(help="Port of the proxy.")] = 4000,
    config: Annotated[Path | None, typer.Option(help="LiteLLM configuration.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Routing policy.",
            envvar="TIER_ROUTER_POLICY",
            show_default="routing_policy.yaml beside the config, else the shipped one",
        ),
    ] = None,
    workdir: Annotated[Path, typer.Option(help="Folder for logs and records when simulated.")] = Path("var/serve"),
    latency_scale: Annotated[float, typer.Option(help="Multiplies the simulated latencies.")] = 1.0,
    replay: Annotated[Path | None, typer.Option(help="JSON lines of recorded answers for the simulator.")] = None,
) -> None:
    """Serve; simulated, print `ready` once it answers. Further arguments go to `litellm`, such as --num_workers 2."""
    config_path = config or bundle_root() / CONFIG
    policy_path = policy or _policy_for(config_path)
    if simulated:
        stack = Stack(
            config_path,
            policy_path,
            workdir.resolve(),
            port,
            local_key(),
            latency_scale,
            replay,
            arguments=tuple(context.args),
        )
        _serve_simulated(stack)
        return
    if missing := missing_variables(config_path):
        typer.echo(f"{config_path} takes these from the environment, and they are not set:", err=True)
        typer.echo("".join(f"  {name}\n" for name in missing), err=True)
        typer.echo("Set them, or remove the deployments that need them. Without any key: scripts/demo", err=True)
        raise typer.Exit(1)
    try:
        refuse_taken(port)
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    os.environ["TIER_ROUTER_POLICY"] = str(policy_path.resolve())
    litellm = str(Path(sys.executable).parent / "litellm")
    os.execv(litellm, [litellm, "--config", str(config_path), "--port", str(port), *context.args])  # noqa: S606


def _policy_for(config: Path) -> Path:
    """The policy beside a configuration, where `tier-router check` and the proxy's hooks look for it too.

    Says so where there is none and the shipped one serves.
    """
    beside = config.parent / POLICY
    if beside.is_file():
        return beside
    typer.echo(f"no {POLICY} beside {config}: using the shipped one", err=True)
    return bundle_root() / POLICY


def missing_variables(config: Path) -> list[str]:
    """Variables that a LiteLLM configuration names and that are not set, in order.

    None of a file that cannot be read as YAML: LiteLLM refuses it itself.
    """
    read, _ = parse_config(config.read_bytes(), str(config))
    return list(unset(read, os.environ)) if read is not None else []


def _serve_simulated(stack: Stack) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with stack:
            typer.echo(f"serving {stack.url}", err=True)
            print("ready", flush=True)
            while not stop.wait(0.5):
                if stack.proxy.poll() is not None:
                    raise StackError(f"the proxy stopped with code {stack.proxy.returncode}; see {stack.workdir}")
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
