"""The command `mpcjax`: keys for a consortium, what is wrong with a configuration, and a peer that trains with others.

Each subcommand parses its options here, calls one function of the package and prints what that returns.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import jax

try:
    import typer
    from rich.console import Console
    from rich.table import Table

    from mpcjax.errors import MpcError
    from mpcjax.net import doctor as doctors
    from mpcjax.net import founding
except ImportError as missing:
    raise SystemExit(f'the command mpcjax needs the extra "peer" ({missing}): pip install "mpcjax[peer]"') from missing

CACHE = Path.home() / ".cache" / "mpcjax" / "compiled"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Robust aggregation of model updates among peers that trust nobody with them.",
)


@app.callback()
def _group() -> None:
    """Keeps subcommands subcommands however few there are."""


@app.command()
def keys(
    out: Annotated[Path, typer.Option(help="folder for the files; made if it is not there")],
    name: Annotated[str, typer.Option(help="this peer's name in the consortium")] = "",
    address: Annotated[str, typer.Option(help="host:port at which the others reach this peer")] = "",
    local: Annotated[int, typer.Option(help="instead: a whole consortium of so many on this machine, for trying")] = 0,
    port: Annotated[int, typer.Option(help="with --local: the first port to try")] = 7100,
) -> None:
    """Make this peer's key and certificate. The key stays here; the certificate and the printed entry go to the others."""
    if bool(local) == bool(name or address) or bool(name) != bool(address):
        raise typer.BadParameter("give --name and --address for one peer, or --local for a consortium on this machine")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if local:
            for path in founding.local(local, out, port):
                console.print(path)
        else:
            console.print(founding.peer(name, address, out), end="")
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def doctor(
    config: Annotated[Path, typer.Option(help="the peer's configuration, peer.toml")],
    seconds: Annotated[float, typer.Option(help="at most so long for each other peer")] = 3.0,
) -> None:
    """Say what is wrong with a configuration and what to do; exit code 1 if anything is."""
    from mpcjax.peers.peer import examine  # with JAX, which takes its time

    checks = [*doctors.examine(config, seconds), *examine(config)]
    try:
        from mpcjax.train.consortium import examine as examine_training
    except ImportError:  # without the extra [train] there is no `mpcjax peer`
        pass
    else:
        checks += examine_training(config)
    table = Table("check", "", "found", "what to do", title=str(config))
    for check in checks:
        table.add_row(check.name, "ok" if check.ok else "WRONG", check.found, check.remedy)
    Console(markup=False, highlight=False).print(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def peer(
    config: Annotated[Path, typer.Option(help="the peer's configuration, peer.toml")],
    state: Annotated[Path, typer.Option(help="folder for checkpoint, records and the session's file")] = Path("state"),
    cache: Annotated[Path, typer.Option(help="folder of compiled programs, shared by processes")] = CACHE,
    verbose: Annotated[bool, typer.Option(help="log connections, attempts and who is silent")] = False,
) -> None:
    """Train with the others, as the table run.training says, on this peer's part of the data; go on where it stopped."""
    from mpcjax.train.consortium import train_as_peer  # with what the extra [train] adds

    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        train_as_peer(config, state, lambda record: console.print(_line(record)))
    except (ValueError, OSError, MpcError) as error:
        console.print(f"{type(error).__name__}: {error}")
        raise typer.Exit(1) from error


def _line(record: dict[str, Any]) -> str:
    parts = [
        f"round {record['round'] + 1}",
        f"accuracy {record['accuracy']:.3f}",
        f"{record['aggregation_seconds']:.1f} s",
    ]
    parts += [f"left out {who}: {why}" for who, why in (record.get("excluded") or {}).items()]
    parts += [f"failed with {failure['committee']}: {failure['check']}" for failure in record.get("failed") or ()]
    return "; ".join(parts)
