"""One process per peer, a large model: what a round takes on one machine, and what every peer sends, beside `estimate`.

Nothing is trained: every peer gives random updates of `--parameters` numbers, so that what is seen is the round itself. All
processes share this machine's cores, so its seconds are those of all peers' work one after the other, as in the simulator.
"""

from __future__ import annotations

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import mpcjax
from experiments.network import cached, compile_round, consortium
from mpcjax._compat import x64
from mpcjax.api import setup_of
from mpcjax.net import config as configs
from mpcjax.peers.peer import Peer
from mpcjax.peers.programs import programs
from mpcjax.report import Cost
from mpcjax.rules import resolve
from mpcjax.train.metrics import progress

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
RUN = """[run.protocol]
committee = {committee}
slot_seconds = 1.0
grace_seconds = 60.0

[limits]
step_seconds = 600.0
frame_bytes = {frame}
inbox_bytes = {inbox}
queue_bytes = {inbox}
"""
Found = dict[str, Any]


@app.command()
def main(
    peers: Annotated[int, typer.Option(min=5, help="Processes.")] = 25,
    parameters: Annotated[int, typer.Option(min=1, help="Numbers in an update.")] = 1_000_000,
    committee: Annotated[int, typer.Option(min=3, help="Members; it may be less than security asks for.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="After a first one, which is not counted.")] = 2,
    rule: Annotated[
        str, typer.Option(help="A name of mpcjax.rules.RULES without public inputs.")
    ] = "centered_clipping",
    port: Annotated[int, typer.Option(help="The first port to try.")] = 7700,
    out: Annotated[Path, typer.Option(help="Where configurations, logs and results go.")] = Path("results/wide"),
    cache: Annotated[Path, typer.Option(help="Compiled programs.")] = Path(".cache/compiled"),
) -> None:
    """Rounds of random updates with one process per peer."""
    console, folder = Console(), out / time.strftime("%Y%m%d-%H%M%S")
    room = max(64 << 20, 12 * 8 * parameters)  # the largest message is some arrays of the peer's whole update
    text = RUN.format(committee=committee, frame=room, inbox=max(room * 4, 8 * peers * parameters * 2))
    paths = consortium(peers, port, folder, text)
    seconds = compile_round(configs.load(paths[0]), cache, resolve(rule), parameters)
    console.print(f"Compiling what all processes will run, into {cache}: {seconds:.0f} s")
    cost = mpcjax.estimate(rule, parameters, peers=peers, committee=mpcjax.simulate(committee))
    running = [_start(path, folder, cache, rule, parameters, rounds) for path in paths]
    try:
        _watched(console, running, folder, peers * (rounds + 1))
    finally:
        for process in running:
            process.kill()
    found = [_lines(folder, k) for k in range(peers)]
    _report(console, found, cost)
    console.print(f"logs and records: {folder}")
    if any(len(one) <= rounds for one in found) or len({tuple(line["digest"] for line in one) for one in found}) > 1:
        raise typer.Exit(1)


@app.command()
def start(
    peers: Annotated[int, typer.Option(min=5, help="Of the consortium; one process runs.")] = 25,
    parameters: Annotated[int, typer.Option(min=1, help="Numbers in an update.")] = 1_000_000,
    committee: Annotated[int, typer.Option(min=3, help="Members.")] = 5,
    rule: Annotated[str, typer.Option(help="A name of mpcjax.rules.RULES.")] = "centered_clipping",
    cache: Annotated[Path, typer.Option(help="Compiled programs.")] = Path(".cache/compiled"),
) -> None:
    """What one process needs until it can begin, where programs are compiled: without a seat, and with one."""
    given = [rule, str(parameters), str(peers), str(committee), str(cache)]
    for turn in ("compiling", "from the cache"):
        begun = time.time()
        command = [sys.executable, "-m", "experiments.wide", "ready", *given]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        table = Table("", "seconds since its start", "most GB", title=f"{rule}, {peers} x {parameters:,}, {turn}")
        for line in map(json.loads, lines):
            table.add_row(line["what"], f"{line['at'] - begun:.1f}", f"{line['memory'] / 1e9:.2f}")
        Console().print(table)


@app.command(hidden=True)
def ready(rule: str, parameters: int, peers: int, committee: int, cache: Path) -> None:
    """A line about each step of a start."""

    def say(what: str) -> None:
        print(json.dumps({"what": what, "at": time.time(), "memory": _memory()}), flush=True)

    cached(cache)
    say("imported")
    with x64():
        made = programs(setup_of(resolve(rule), mpcjax.simulate(committee), peers, parameters, at_once=True))
        say("traced")
        made.compile(member=False)
        say("can deal")
        made.compile(member=True)
        say("can be a member")


def _memory() -> int:
    """The most that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@app.command(hidden=True)
def peer(config: Path, record: Path, cache: Path, rule: str, parameters: int, rounds: int) -> None:
    """One of the processes: rounds with random updates, a line about each in `record`."""
    cached(cache)
    with mpcjax.connect(config) as me, record.open("w") as file:
        rng, sent = np.random.default_rng(me.number), 0
        for number in range(rounds + 1):
            update = rng.normal(size=parameters).astype(np.float32) / np.sqrt(parameters)
            begun = time.perf_counter()
            result = me.aggregate(update, rule, round=number)
            seconds, before = time.perf_counter() - begun, sent
            sent = _all_sent(me)
            line = {
                "seconds": seconds, "sent": sent - before, "member": me.number in result.report.committee,
                "memory": _memory(),
                "digest": hashlib.sha256(np.asarray(result.value).tobytes()).hexdigest(),
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
            file.flush()


def _all_sent(me: Peer) -> int:
    """Bytes, once nothing more was sent for a second: what this peer still gives to others belongs to the round."""
    before, until = -1, time.monotonic() + 30
    while time.monotonic() < until:
        now = sum(me.channels.traffic(other)[0] for other in range(me.peers) if other != me.number)
        if now == before:
            break
        before = now
        time.sleep(1)
    return before


def _start(path: Path, folder: Path, cache: Path, *more: Any) -> subprocess.Popen[bytes]:
    command = ["experiments.wide", "peer", path, folder / f"{path.stem}.jsonl", cache, *more]
    with (folder / f"{path.stem}.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=log, stderr=log)


def _watched(console: Console, running: list[subprocess.Popen[bytes]], folder: Path, lines: int) -> None:
    with progress(console) as bar:
        task = bar.add_task("rounds", total=lines, note="starting")
        while any(process.poll() is None for process in running):
            time.sleep(1)
            done = sum(len(_lines(folder, k)) for k in range(len(running)))
            bar.update(task, completed=done, note=f"{sum(p.poll() is None for p in running)} processes run")


def _lines(folder: Path, peer: int) -> list[Found]:
    path = folder / f"peer{peer}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _report(console: Console, found: list[list[Found]], cost: Cost) -> None:
    """Members and others apart, of all rounds but the first: medians; the memory of the largest process."""
    table = Table(
        "", "seconds a round", "MB sent a round", "estimated", "most GB", title=f"{len(found)} processes, medians"
    )
    upload, member = cost.upload_bytes / 1e6, (cost.offline_bytes + cost.online_bytes) / 1e6
    for name, sits, expected in (("members", True, upload + member), ("all others", False, upload)):
        seen = [line for one in found for line in one[1:] if line["member"] == sits]
        if seen:
            middle = [statistics.median(line[key] for line in seen) for key in ("seconds", "sent")]
            most = max(line["memory"] for line in seen) / 1e9
            table.add_row(name, f"{middle[0]:.1f}", f"{middle[1] / 1e6:.1f}", f"{expected:.1f}", f"{most:.2f}")
    console.print(table)


if __name__ == "__main__":
    app()
