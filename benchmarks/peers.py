"""Other engines beside mpcjax in one run: a table, a plot and a result file that `benchmarks.compare` reads.

    python -m benchmarks.peers                 (or make bench-peers) every engine; what is not installed says so and is skipped
    python -m benchmarks.peers byzfl ours      two of them
    python -m benchmarks.compare OLD NEW       two files from benchmarks/results/peers

Every engine runs in a process of its own (they fight over global settings), in turn, with a time limit; of an engine that
does not finish what it measured is kept. An engine whose dependencies exclude ours has a Python of its own: SPU_PYTHON,
CRYPTEN_PYTHON, ..., or `.venv-spu`, `.venv-crypten` as made by the Makefile. The guarantees differ: they stand in every row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import describe, file_name, number

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "peers"
ENGINES = ("ours", "byzfl", "spu", "mp_spdz", "mpyc", "crypten")
LIMIT = 600
WIDTH = 200


def python_of(engine: str) -> str:
    """The interpreter of an engine: its environment variable, its environment beside this folder, or this one."""
    own = ROOT / f".venv-{engine}" / "bin" / "python"
    return os.environ.get(f"{engine.upper()}_PYTHON") or (str(own) if own.exists() else sys.executable)


def measure(engine: str, quick: bool, limit: float) -> dict[str, Any]:
    """The answer of an engine: `rows`, or `skipped` with a line; `failed` says what went wrong, also beside rows."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "answer.json"
        command = [python_of(engine), "-m", f"benchmarks.baselines.{engine}", "--into", str(into)]
        wrong = _run([*command, *([] if quick else ["--long"])], limit)
        answer: dict[str, Any] = json.loads(into.read_text()) if into.exists() else {}
    return answer | ({"failed": wrong} if wrong else {})


def _run(command: list[str], limit: float) -> str:
    """Run `command` and, at the limit, end it with all the processes it started; what went wrong, or ""."""
    with tempfile.TemporaryFile("w+") as errors:  # not a pipe: parties that are left over could hold it open
        try:
            process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=errors)
        except OSError as error:
            return str(error)
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"stopped after {limit:g} s"
        errors.seek(0)
        last = (errors.read().strip().splitlines() or [""])[-1]
    return f"exit status {status}: {last}" if status else ""


def table(rows: list[dict[str, Any]]) -> Table:
    result = Table(title="peers", title_justify="left")
    for heading in ("job", "n", "d", "m", "engine", "seconds", "offline", "online", "security", "field", "transport"):
        result.add_column(
            heading, justify="right" if heading in ("n", "d", "m", "seconds", "offline", "online") else "left"
        )
    for row in sorted(rows, key=lambda row: (row["name"], row["n"], row["d"], row["m"], row["value"])):
        sizes = [f"{row['n']:,}", f"{row['d']:,}", str(row["m"] or "-")]
        times = [number(row["value"]), number(row.get("offline")), number(row.get("online"))]
        guarantees = [row["security"], row["field"], row["transport"]]
        result.add_row(row["name"], *sizes, row["engine"], *times, *guarantees)
    return result


def run(*chosen: str, quick: bool = True, limit: float = LIMIT, path: Path | None = None) -> dict[str, Any]:
    """Run the engines, print the table, write JSON, table and plot; returns what the JSON holds."""
    from benchmarks import harness

    console, start = Console(width=None if sys.stdout.isatty() else WIDTH), time.perf_counter()
    result: dict[str, Any] = {
        "quick": quick,
        "machine": harness.machine(),
        "benchmarks": {},
        "failed": [],
        "skipped": {},
    }
    versions: dict[str, Any] = {}
    for engine in chosen or ENGINES:
        console.print(f"measuring {engine} ...", style="dim")
        answer = measure(engine, quick, limit)
        if "skipped" in answer:
            result["skipped"][engine] = answer["skipped"]
            console.print(f"skipped: {answer['skipped']}", style="yellow", markup=False)
        if "failed" in answer:
            result["failed"].append(f"{engine}: {answer['failed']}")
            console.print(f"{engine}: {answer['failed']}", style="bold red", markup=False)
        if answer.get("rows"):
            versions |= {name: version for name, version in answer["versions"].items() if name != "python"}
            result["benchmarks"][engine] = answer
    result["machine"]["versions"] = versions
    result["seconds"] = time.perf_counter() - start
    if result["benchmarks"]:
        report(result, path or RESULTS / file_name(result["machine"]), console)
    return result


def report(result: dict[str, Any], path: Path, console: Console) -> None:
    """Write the JSON, and beside it the table (.txt) and the plot (.png)."""
    from benchmarks import peers_plot

    rows = [row for answer in result["benchmarks"].values() for row in answer["rows"]]
    about = describe(result["machine"]) + "; " + ", ".join(f"{k} {v}" for k, v in result["machine"]["versions"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    with path.with_suffix(".txt").open("w") as file:
        for target in (Console(file=file, width=WIDTH), console):
            target.print(table(rows))
            target.print(about, soft_wrap=True, markup=False)
            for line in (*result["skipped"].values(), *result["failed"]):
                target.print(line, soft_wrap=True, markup=False)
    drawn = peers_plot.draw(rows, about, path.with_suffix(".png"))
    console.print(
        f"{result['seconds']:.0f} s in all; written to {path}, .txt{' and .png' if drawn else ''}", soft_wrap=True
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Other engines beside mpcjax.")
    parser.add_argument("engine", nargs="*", help=f"which to run (default: all): {', '.join(ENGINES)}")
    parser.add_argument("--long", action="store_true", help="more sizes and repetitions")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds per engine (default {LIMIT})")
    parser.add_argument("--json", type=Path, help="where to write (default: benchmarks/results/peers/)")
    options = parser.parse_args()
    unknown = sorted(set(options.engine) - set(ENGINES))
    if unknown:
        parser.error(f"no such engine: {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    return 1 if run(*options.engine, quick=not options.long, limit=options.limit, path=options.json)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
