"""Seven processes on this machine train together over TLS; one is killed and comes back, one cheats in the protocol.

Every process is what an institution would run (`mpcjax peer`), with its own key, its own part of the data and its own shares;
only the cheating one is made here. In the end the honest ones hold the same model, bit for bit.
"""

from __future__ import annotations

import hashlib
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import mpcjax
from mpcjax import api, train
from mpcjax._compat import x64
from mpcjax.net import config as configs
from mpcjax.net import founding
from mpcjax.peers.peer import Terms
from mpcjax.peers.programs import programs
from mpcjax.rules import Rule
from mpcjax.train.checkpoint import load
from mpcjax.train.consortium import Plan, train_as_peer
from mpcjax.train.metrics import read
from mpcjax.train.settings import make_run

Process = subprocess.Popen[bytes]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
LATE = 20.0  # seconds for which the victim is waited for once all others have ended
CHEATS = range(3, 6)  # rounds, from 0, in whose first attempt the cheating peer sends a wrong share, if it has a seat
RUN = """[run.training]
rule = "{rule}"
rounds = {rounds}

[run.protocol]
corrupt = 2
committee = 5
slot_seconds = 0.25
grace_seconds = 3.0
"""


@app.command()
def main(
    peers: Annotated[int, typer.Option(min=5, help="Processes.")] = 7,
    rounds: Annotated[int, typer.Option(min=8, help="Rounds of training.")] = 60,
    rule: Annotated[str, typer.Option(help="A name of mpcjax.rules.RULES.")] = "centered_clipping",
    port: Annotated[int, typer.Option(help="The first port to try.")] = 7500,
    out: Annotated[Path, typer.Option(help="Where configurations, logs and records go.")] = Path("results/network"),
    cache: Annotated[Path, typer.Option(help="Compiled programs.")] = Path(".cache/compiled"),
) -> None:
    """Train with one process per peer; one is killed and started again, one cheats."""
    console, begun = Console(), time.perf_counter()
    folder = out / time.strftime("%Y%m%d-%H%M%S")
    paths = consortium(peers, port, folder, RUN.format(rule=rule, rounds=rounds))
    console.print(f"Compiling what all processes will run, into {cache}")
    console.print(f"  {warm(paths[0], cache):.0f} s")
    cheat, victim = peers - 1, 1
    running = {k: start(path, folder, cache, k == cheat) for k, path in enumerate(paths)}
    try:
        _play(console, running, paths, folder, cache, rounds, victim)
    finally:
        for process in running.values():
            process.kill()
    honest = [k for k in range(peers) if k != cheat and (k != victim or running[k].returncode == 0)]
    if victim not in honest:
        console.print(
            f"peer {victim} has no last model to compare: its process ended with {running[victim].returncode}"
        )
    _report(console, folder, honest)
    same = {model(paths[k], folder / f"peer{k}") for k in honest}
    console.print(f"{len(honest)} honest peers hold {len(same)} model{'s' if len(same) > 1 else ''}: {sorted(same)}")
    console.print(f"{time.perf_counter() - begun:.0f} seconds in all; logs and records: {folder}")
    if len(same) != 1:
        raise typer.Exit(1)


@app.command(hidden=True)
def cheat(config: Path, state: Path, cache: Path) -> None:
    """One peer that, as a member, tells everybody a wrong share of the output."""
    cached(cache)

    def connect(given: Any, *, session: Any = None, seconds: float = math.inf) -> Any:
        peer = mpcjax.connect(given, session=session, seconds=seconds)
        honest = peer.links.send

        def send(to: int, when: tuple[int, int], label: str, x: np.ndarray) -> None:
            wrong = when[0] in CHEATS and when[1] == 0 and label.startswith("open/output") and "echo" not in label
            honest(to, when, label, x ^ 1 if wrong else x)

        peer.links.send = send
        return peer

    train_as_peer(config, state, connect=connect)


def consortium(peers: int, port: int, folder: Path, run: str) -> list[Path]:
    paths = founding.local(peers, folder, port)
    for path in paths:
        path.write_text(path.read_text().replace('[run.training]\nrule = "mean"\n', run))
    return paths


def cached(cache: Path) -> None:
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def warm(path: Path, cache: Path) -> float:
    """Compiles the round of a plan, as `compile_round`."""
    config = configs.load(path)
    plan = Plan.of(config)
    data = train.load(plan.dataset, source=plan.source)
    length = train.make_task(plan.settings.model, data.train_images.shape[1:]).size
    return compile_round(config, cache, plan.settings.make_rule(), length)


def compile_round(config: configs.Config, cache: Path, rule: Rule, length: int) -> float:
    """Compiles a round once, so that the processes find it done instead of compiling it side by side. Seconds."""
    cached(cache)
    terms = Terms.of(config)
    with x64():
        committee = mpcjax.simulate(terms.committee, terms.threshold)
        made = programs(api.setup_of(rule, committee, len(config.peers), length, at_once=True))
        return made.compile(member=True) + made.compile(member=False)


def start(path: Path, folder: Path, cache: Path, cheats: bool = False) -> Process:
    state = folder / path.stem
    honest = ["mpcjax", "peer", "--config", path, "--state", state, "--cache", cache, "--verbose"]
    command = ["experiments.network", "cheat", path, state, cache] if cheats else honest
    with (folder / f"{path.stem}.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=log, stderr=log)


def _play(
    console: Console, running: dict[int, Process], paths: list[Path], folder: Path, cache: Path,
    rounds: int, victim: int,
) -> None:  # fmt: skip
    """Kills the victim after a quarter of the rounds and starts it again some rounds later.

    Where it needs longer to start than the others to end, it is not waited for: nobody is left to tell it anything.
    """
    shown, killed, back, ended = 0, False, False, time.monotonic()
    while any(process.poll() is None for process in running.values()):
        time.sleep(0.2)
        found = records(folder, 0)
        for record in found[shown:]:
            console.print(f"  {_words(record)}")
        shown = len(found)
        if not killed and shown >= rounds // 4:
            os.kill(running[victim].pid, signal.SIGKILL)
            killed = True
            console.print(f"  -- peer {victim} is killed")
        if killed and not back and shown >= rounds // 4 + 2:
            running[victim] = start(paths[victim], folder, cache)
            back = True
            console.print(f"  -- peer {victim} is started again")
        if any(process.poll() is None for k, process in running.items() if k != victim):
            ended = time.monotonic()
        elif time.monotonic() - ended > LATE:
            console.print(
                f"  -- peer {victim} came back too late to take part: the others have ended. Give more --rounds"
            )
            running[victim].kill()
            running[victim].wait()


def records(folder: Path, peer: int) -> list[dict[str, Any]]:
    path = folder / f"peer{peer}" / "rounds.jsonl"
    return read(path) if path.exists() else []


def _words(record: dict[str, Any]) -> str:
    text = f"round {record['round'] + 1}: accuracy {record['accuracy']:.3f}, {record['aggregation_seconds']:.1f} s, "
    text += f"committee {record.get('committee', 'none: no outcome')}"
    text += "".join(f"; {failure['committee']} {failure['check']}" for failure in record.get("failed", ()))
    return text + "".join(f"; left out: {peer}" for peer in record.get("excluded", ()))


def _report(console: Console, folder: Path, honest: list[int]) -> None:
    table = Table("round", *(f"peer {k}" for k in honest), title="Test accuracy, as every honest peer measured it")
    found = [{record["round"]: record["accuracy"] for record in records(folder, k)} for k in honest]
    for number in sorted(found[0]):
        table.add_row(str(number + 1), *(f"{one[number]:.3f}" if number in one else "-" for one in found))
    console.print(table)


def model(path: Path, state: Path) -> str:
    """Digest of the shared model in a peer's checkpoint."""
    config = configs.load(path)
    plan = Plan.of(config)
    run = make_run(plan.settings, train.load(plan.dataset, source=plan.source), own=config.index)
    kept, done = load(state / "checkpoint", run.method.init(), settings=run.settings)
    digest = hashlib.sha256(np.asarray(run.method.params(kept)).tobytes()).hexdigest()
    return f"{digest[:16]} after {done} rounds"


if __name__ == "__main__":
    app()
