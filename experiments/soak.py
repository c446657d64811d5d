"""Many rounds of seven processes over TLS with random kills: does memory stay flat, and does everybody end with one model?

Between one kill and the return of its victim nobody else is killed, so that never more peers are away than the terms
allow. A victim is killed at a random time, in the middle of whatever it does, started again, takes over what it missed and
joins. Memory is what the system says of each process (Linux).
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments import network
from mpcjax.train.metrics import progress

PAGES = os.sysconf("SC_PAGE_SIZE") / 1e6
EVERY = 0.5  # seconds between two looks at the processes
LAST = 0.75  # of the rounds, after which nobody is killed: who comes back needs time to take over what it missed
GROWTH = 0.05  # of memory, between the second fifth of the rounds and the last, that is still called flat


@dataclass
class Watch:
    """What is seen of the processes: `memory[k]` a list of (rounds done, MB), `kills` as (peer, round, round of return)."""

    memory: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    kills: list[list[int]] = field(default_factory=list)

    def growth(self, peer: int, rounds: int) -> float:
        """Median memory of the last fifth of the rounds over that of the second; of one that was never killed."""
        early = [mb for done, mb in self.memory[peer] if rounds / 5 <= done < 2 * rounds / 5]
        late = [mb for done, mb in self.memory[peer] if done >= 4 * rounds / 5]
        return statistics.median(late) / statistics.median(early) - 1


def main(
    peers: Annotated[int, typer.Option(min=5, help="Processes.")] = 7,
    rounds: Annotated[int, typer.Option(min=20, help="Rounds of training.")] = 200,
    kills: Annotated[int, typer.Option(min=0, help="How many peers are killed and started again, one at a time.")] = 3,
    rule: Annotated[str, typer.Option(help="A name of mpcjax.rules.RULES.")] = "centered_clipping",
    seed: Annotated[int, typer.Option(help="Of who is killed when.")] = 0,
    port: Annotated[int, typer.Option(help="The first port to try.")] = 7600,
    out: Annotated[Path, typer.Option(help="Where configurations, logs, records and the plot go.")] = Path(
        "results/soak"
    ),
    cache: Annotated[Path, typer.Option(help="Compiled programs.")] = Path(".cache/compiled"),
) -> None:
    """Train with one process per peer for long, and kill some of them again and again."""
    console, begun = Console(), time.perf_counter()
    folder = out / time.strftime("%Y%m%d-%H%M%S")
    paths = network.consortium(peers, port, folder, network.RUN.format(rule=rule, rounds=rounds))
    console.print(f"Compiling what all processes will run, into {cache}: {network.warm(paths[0], cache):.0f} s")
    running = {k: network.start(path, folder, cache) for k, path in enumerate(paths)}
    try:
        watch = _run(console, running, paths, folder, cache, rounds, kills, random.Random(seed))
    finally:
        for process in running.values():
            process.kill()
    models = {k: network.model(paths[k], folder / f"peer{k}") for k in range(peers)}
    flat = _report(console, watch, models, {k: p.returncode for k, p in running.items()}, rounds)
    _plot(watch, folder / "memory.png")
    console.print(f"{time.perf_counter() - begun:.0f} seconds in all; logs, records and memory.png: {folder}")
    ended, back = all(process.returncode == 0 for process in running.values()), sum(at >= 0 for _, _, at in watch.kills)
    if not (flat and ended and len(set(models.values())) == 1 and back == kills):
        raise typer.Exit(1)


def _run(
    console: Console, running: dict[int, network.Process], paths: list[Path], folder: Path, cache: Path, rounds: int, kills: int,
    chance: random.Random,
) -> Watch:  # fmt: skip
    """Until all have ended. Peer 0 is never killed: its rounds are those that are counted."""
    watch, away, rest = Watch({k: [] for k in running}), False, rounds // (kills + 1) // 2
    next_kill, written = chance.uniform(0.1, 0.2) * rounds, 0
    with progress(console) as bar:
        task = bar.add_task("soak", total=rounds, note="starting")
        while any(process.poll() is None for process in running.values()):
            time.sleep(EVERY)
            done = len(network.records(folder, 0))
            for k, process in running.items():
                if (memory := _resident(process.pid)) is not None:
                    watch.memory[k].append((done, memory))
            if away and _takes_part(folder / f"peer{watch.kills[-1][0]}.log", written):
                watch.kills[-1][2], away = done, False
                bar.console.print(f"  round {done}: peer {watch.kills[-1][0]} is back")
                next_kill = done + chance.uniform(0.2, 1.0) * rest
            elif not away and len(watch.kills) < kills and next_kill <= done < LAST * rounds:
                victim = chance.choice([k for k in running if k])
                time.sleep(chance.uniform(0, 2))  # anywhere in a round
                os.kill(running[victim].pid, signal.SIGKILL)
                running[victim].wait()
                written = (folder / f"peer{victim}.log").stat().st_size
                bar.console.print(f"  round {done}: peer {victim} is killed")
                watch.kills.append([victim, done, -1])
                running[victim], away = network.start(paths[victim], folder, cache), True
            bar.update(task, completed=done, note=f"{sum(p.poll() is None for p in running.values())} processes run")
    return watch


def _takes_part(log: Path, written: int) -> bool:
    """Whether a peer has begun a round itself since its log was that long: until then it takes rounds from the others."""
    return b"attempt round=" in log.read_bytes()[written:]


def _resident(process: int) -> float | None:
    """Megabytes of memory; None of a process that is no more."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGES
    except (FileNotFoundError, ProcessLookupError):
        return None


def _report(console: Console, watch: Watch, models: dict[int, str], ended: dict[int, int | None], rounds: int) -> bool:
    """The table; and whether memory was flat in every process that was never killed."""
    killed = {peer for peer, _, _ in watch.kills}
    growth = {k: watch.growth(k, rounds) for k in models if k not in killed}
    table = Table("peer", "killed in round", "back in round", "most MB", "growth", "ended with", "model")
    for k, digest in models.items():
        own = [kill for kill in watch.kills if kill[0] == k]
        table.add_row(
            str(k), ", ".join(str(kill[1]) for kill in own), ", ".join(str(kill[2]) for kill in own),
            f"{max(mb for _, mb in watch.memory[k]):.0f}", f"{growth[k]:+.1%}" if k in growth else "", str(ended[k]), digest,
        )  # fmt: skip
    console.print(table)
    return all(value <= GROWTH for value in growth.values())


def _plot(watch: Watch, path: Path) -> None:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for k, seen in watch.memory.items():
        axes.plot([done for done, _ in seen], [mb for _, mb in seen], label=f"peer {k}", linewidth=1)
    for _, at, _ in watch.kills:
        axes.axvline(at, color="gray", linewidth=0.5)
    axes.set(xlabel="round of peer 0 (gray: a peer is killed)", ylabel="resident memory, MB", ylim=(0, None))
    axes.legend(ncols=2)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    typer.run(main)
