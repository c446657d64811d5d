"""What every rule costs: a table of 25 and 100 peers, 10,000 and 1,000,000 parameters.

    python -m benchmarks.costs                          as many cells as fit into an hour, the small ones first
    python -m benchmarks.costs --minutes 600            all of it
    python -m benchmarks.costs --rules rsa --peers 25   some of it; `--minutes 0` runs nothing, estimates and prints
    python -m benchmarks.costs --keep                   writes what is known to `benchmarks/COSTS.md` too

A cell is a process of its own with ten minutes: it estimates, then runs rounds if it predicts that they fit into the memory
and the time. What was not measured says so. Every cell is stored when it is done and not computed again; delete its file in
`benchmarks/results/costs/` for that.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import mpcjax
from benchmarks import bench_round, harness
from benchmarks.__main__ import describe
from mpcjax.costs import NETWORKS, Rates, calibrate
from mpcjax.report import Cost
from mpcjax.rules import RULES

KEPT = Path(__file__).parent / "COSTS.md"
FOLDER = Path(__file__).parent / "results" / "costs"  # not among the results that `compare` looks for
PEERS, LENGTHS, PARTIES = (25, 100), (10_000, 1_000_000), 5
CELL_SECONDS = 600
ROOM = 0.75  # of the machine's memory
WIDTH = 150
HEADINGS = (
    "rule",
    "peers",
    "parameters",
    "rounds",
    "offline",
    "online",
    "upload",
    "bits",
    "doubles",
    "memory",
    "seconds",
)
NETWORK_NAMES = tuple(network.name for network in NETWORKS)
CAPTION = f"committee of {PARTIES}; MB per party and per peer, memory in GB; ~ predicted, not measured, and why"
MEANING = (
    "Rounds: of communication. Offline, online: what a party sends before and after the peers deal. Upload: what a peer sends. "
    "Bits, doubles: random bits and double sharings made offline. Pre-aggregators stand before their default rule."
)
Cell = tuple[str, int, int]


def path_of(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell[0]}-{cell[1]}-{cell[2]}.json"


def known(folder: Path, cell: Cell) -> dict[str, Any]:
    """What is stored of a cell: nothing, an estimate, or with what was `measured` or why it was `not_measured`."""
    path = path_of(folder, cell)
    return json.loads(path.read_text()) if path.exists() else {}


def is_done(found: dict[str, Any]) -> bool:
    return "measured" in found or "not_measured" in found


def compute(folder: Path, cell: Cell, measure: bool = True) -> None:
    """Estimate a cell, store it, and to `measure` run it if it may fit, and store it again."""
    rule, peers, length = cell
    start, committee, known_rates = time.perf_counter(), mpcjax.simulate(PARTIES), rates(folder)
    try:
        cost = mpcjax.estimate(rule, length, peers=peers, committee=committee, rates=known_rates)
    except ValueError as error:  # of so many peers, say
        path_of(folder, cell).write_text(json.dumps({"not_measured": "refused", "why": str(error)}, indent=1))
        return
    found = estimated(cost) | {"estimate_seconds": time.perf_counter() - start, "machine": harness.machine()}
    path_of(folder, cell).write_text(json.dumps(found, indent=1))
    why = too_much(found, found["machine"]["memory_bytes"])
    if why:
        found["not_measured"] = why
    elif measure:
        rounds = bench_round.rounds(rule, peers, length, PARTIES, repeats=3)
        found["measured"] = {"seconds": rounds.median(), "first": rounds.first}
    path_of(folder, cell).write_text(json.dumps(found, indent=1))


def rates(folder: Path) -> Rates:
    """Of this machine, measured once and stored with the cells."""
    path = folder / "rates.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(calibrate()), indent=1))
    return Rates(**json.loads(path.read_text()))


def estimated(cost: Cost) -> dict[str, Any]:
    """The numbers of an estimate by name."""
    return {
        "rounds": cost.rounds,
        "offline_bytes": cost.offline_bytes,
        "online_bytes": cost.online_bytes,
        "upload_bytes": cost.upload_bytes,
        "material": dataclasses.asdict(cost.demand),
        "memory": cost.memory,
        "seconds": cost.compute_seconds,
        **{network.name: cost.seconds(network) for network in NETWORKS},
    }


def too_much(found: dict[str, Any], memory: float) -> str:
    """Why a cell is not run; "" if it is. Four rounds must fit, and compiling takes a while too."""
    if found["memory"] > ROOM * memory:
        return "memory"
    return "time" if 4 * found["seconds"] > CELL_SECONDS / 2 else ""


def run_apart(folder: Path, cell: Cell, seconds: float) -> None:
    """`compute` in a process of its own; stores why there is no measurement if it does not end well."""
    command = [sys.executable, "-m", "benchmarks.costs", "--folder", str(folder), "--cell", *map(str, cell)]
    try:
        failed = subprocess.run(command, cwd=harness.ROOT, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        failed = -1
    found = known(folder, cell)
    if failed and not is_done(found):
        found["not_measured"] = f"over {CELL_SECONDS // 60} minutes" if failed == -1 else "failed"
        path_of(folder, cell).write_text(json.dumps(found, indent=1))


def table(cells: list[tuple[Cell, dict[str, Any]]]) -> Table:
    result = Table(title="costs", caption=CAPTION, title_justify="left", caption_justify="left")
    for heading in (*HEADINGS, *NETWORK_NAMES):
        result.add_column(heading, justify="left" if heading == "rule" else "right")
    for cell, found in cells:
        result.add_row(*row_of(cell, found))
    return result


def row_of(cell: Cell, found: dict[str, Any]) -> list[str]:
    row = [cell[0], *(f"{size:,}" for size in cell[1:]), *cells_of(found)]
    return row + [""] * (len(HEADINGS) + len(NETWORK_NAMES) - len(row))


def markdown(cells: list[tuple[Cell, dict[str, Any]]], machines: list[str]) -> str:
    """The same table for the file that the project keeps."""
    rows = [[*HEADINGS, *NETWORK_NAMES], ["---"] + ["---:"] * (len(HEADINGS) + len(NETWORK_NAMES) - 1)]
    rows += [row_of(cell, found) for cell, found in cells]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    caption = CAPTION[0].upper() + CAPTION[1:]
    links = ", ".join(
        f"{one.name} of {8 * one.bandwidth / 1e6:g} Mbit/s and {1e3 * one.latency:g} ms" for one in NETWORKS
    )
    refused = "".join(
        f"\n- {cell[0]}, {cell[1]} x {cell[2]:,}: {found['why']}" for cell, found in cells if "why" in found
    )
    return (
        f"# What every rule costs\n\n`python -m benchmarks.costs --keep`, {'; '.join(machines)}. {caption}. Seconds: the "
        "simulator, which does the work of all parties, in a call that compiles nothing; LAN, WAN, 4G: predicted, computing "
        f"included, over {links}. {MEANING}\n\n{lines}\n" + (f"\nRefused:\n{refused}\n" if refused else "")
    )


def cells_of(found: dict[str, Any]) -> list[str]:
    """The rest of a row; seconds measured, else predicted behind a ~ with the reason."""
    if "rounds" not in found:
        return [""] * 7 + [found.get("not_measured", "not yet")]
    sizes = [f"{found[key] / 1e6:,.1f}" for key in ("offline_bytes", "online_bytes", "upload_bytes")]
    material = [f"{found['material'][kind]:,}" for kind in ("bit", "double")]
    seconds = f"~{found['seconds']:,.2g} {found.get('not_measured', 'not yet')}"
    if "measured" in found:
        seconds = f"{found['measured']['seconds']:,.2f}"
    over = [f"{found[network.name]:,.1f}" for network in NETWORKS]
    return [f"{found['rounds']:,}", *sizes, *material, f"{found['memory'] / 1e9:,.2f}", seconds, *over]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description="What every rule costs.")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES), metavar="RULE")
    parser.add_argument("--peers", nargs="+", type=int, default=list(PEERS))
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS), help="parameters of the model")
    parser.add_argument("--minutes", type=float, default=60, help="no cell is run later than this, only estimated")
    parser.add_argument("--keep", action="store_true", help="write the table to benchmarks/COSTS.md")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    if options.cell:
        rule, peers, length = options.cell
        compute(options.folder, (rule, int(peers), int(length)))
        return 0
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    cells = [(rule, n, d) for d in options.lengths for n in options.peers for rule in options.rules]
    end = time.monotonic() + 60 * options.minutes
    for number, cell in enumerate(cells, 1):
        found, is_late = known(options.folder, cell), time.monotonic() >= end
        if is_done(found) or (is_late and found):
            continue
        options.folder.mkdir(parents=True, exist_ok=True)
        console.print(f"{number} of {len(cells)}: {cell[0]}, {cell[1]} x {cell[2]:,} ...", style="dim")
        if is_late:
            compute(options.folder, cell, measure=False)
        else:
            run_apart(options.folder, cell, CELL_SECONDS)
    rows = [(cell, known(options.folder, cell)) for cell in cells]
    console.print(table(rows))
    machines = sorted({describe(one["machine"]) for _, one in rows if "machine" in one})
    console.print("\n".join(machines), soft_wrap=True)
    if options.keep:
        KEPT.write_text(markdown(rows, machines))
    return 0 if all(is_done(one) for _, one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
