"""Run benchmarks, print their numbers as tables, write them as JSON.

    python -m benchmarks                    every benchmark, quick: under five minutes on 2 cores
    python -m benchmarks fields prg --long  two of them, the longer grid
    python -m benchmarks --list             their names

Each benchmark runs in a process of its own, so that its peak memory is its own; only those that look at the same runs in
different ways share one (`TOGETHER`). In a notebook whose kernel already
holds the TPU, use `from benchmarks.__main__ import run` and `run("fields")` in that kernel instead.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
QUICK_SECONDS = 300
WIDTH = 150  # of a table that goes into a file
TOGETHER = (
    {"circuits", "growth"},
    {"floor", "predict", "round", "scale"},
)  # what one has compiled and counted serves the others


def names() -> list[str]:
    """The benchmarks of this folder, `fields` for `bench_fields.py`."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Run one benchmark in this process: its rows, seconds, peak memory, and the machine."""
    from benchmarks import harness

    start = time.perf_counter()
    rows = importlib.import_module(f"benchmarks.bench_{name}").run(quick)
    taken = time.perf_counter() - start
    return {"rows": rows, "seconds": taken, "peak_bytes": harness.peak_memory(), "machine": harness.machine()}


def processes(chosen: list[str]) -> list[list[str]]:
    """`chosen` in the groups that run in one process each, in the order of the first of a group."""
    groups: dict[str, list[str]] = {}
    for name in chosen:
        kin = next((min(group) for group in TOGETHER if name in group), name)
        groups.setdefault(kin, []).append(name)
    return list(groups.values())


def measure_apart(group: list[str], quick: bool) -> dict[str, dict[str, Any]]:
    """Run benchmarks in a process of their own; without those that failed (their traceback is then on stderr)."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks", *group, "--into", str(answer), *([] if quick else ["--long"])]
        subprocess.run(command, cwd=HERE.parent, check=False)
        return json.loads(answer.read_text()) if answer.exists() else {}


def measure_into(path: Path, group: list[str], quick: bool) -> None:
    """What `measure_apart` starts: writes after every benchmark, so that a failure costs only those that follow it."""
    answers: dict[str, Any] = {}
    for name in group:
        answers[name] = measure(name, quick)
        path.write_text(json.dumps(answers))


def number(value: Any) -> str:
    """Three or four significant digits, without exponents where they can be avoided."""
    if not isinstance(value, int | float):
        return "" if value is None else str(value)
    digits = f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else digits


def table(name: str, answer: dict[str, Any]) -> Table:
    caption = f"{answer['seconds']:.0f} s, peak memory {answer['peak_bytes'] / 2**30:.1f} GiB"
    result = Table(title=name, caption=caption, title_justify="left", caption_justify="left")
    result.add_column("measured")
    result.add_column("shape")
    for heading in ("value", "unit", "floor", "times floor"):
        result.add_column(heading, justify="left" if heading == "unit" else "right")
    result.add_column("floor is")
    for row in answer["rows"]:
        cells = [row["name"], str(row.get("shape", "")), number(row["value"]), row["unit"]]
        cells += [number(row.get("floor")), number(row.get("ratio")), row.get("floor_name", "")]
        result.add_row(*cells)
    return result


def describe(machine: dict[str, Any]) -> str:
    device = "" if machine["platform"] == "cpu" else f", {machine['devices']} x {machine['device']}"
    memory = machine["memory_bytes"] / 2**30
    versions = f"jax {machine['jax']}, Python {machine['python']}, commit {machine['commit'] or 'unknown'}"
    return f"{machine['cpu']}, {machine['cores']} cores, {memory:.0f} GiB{device}; {versions}"


def file_name(machine: dict[str, Any]) -> str:
    return f"{machine['time'].replace(':', '')}-{machine['platform']}.json"


def run(*chosen: str, quick: bool = True, apart: bool = False, path: Path | None = None) -> dict[str, Any]:
    """Run the `chosen` benchmarks (all if none), print a table of each, write one JSON file, return its contents.

    `failed` in the result names the benchmarks that raised (with `apart`; in this process they raise).
    """
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    start = time.perf_counter()
    result: dict[str, Any] = {"quick": quick, "machine": {}, "benchmarks": {}, "failed": []}
    for group in processes(list(chosen) or names()):
        console.print(f"measuring {', '.join(group)} ...", style="dim")
        answers = measure_apart(group, quick) if apart else {name: measure(name, quick) for name in group}
        for name in group:
            _take(result, name, answers.get(name), console)
    result["seconds"] = time.perf_counter() - start
    if result["benchmarks"]:
        path = path or HERE / "results" / file_name(result["machine"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
        console.print(describe(result["machine"]), soft_wrap=True)
        console.print(f"{result['seconds']:.0f} s in all; written to {path}", soft_wrap=True)
    if quick and not chosen and result["seconds"] > QUICK_SECONDS:
        console.print(f"slower than the {QUICK_SECONDS} s meant for 2 cores", style="yellow")
    return result


def _take(result: dict[str, Any], name: str, answer: dict[str, Any] | None, console: Console) -> None:
    """Print the answer of one benchmark and put it into the result."""
    if answer is None:
        result["failed"].append(name)
        console.print(f"{name} failed", style="bold red")
        return
    result["machine"] = answer.pop("machine")
    if not answer["rows"]:
        console.print(f"{name}: only with --long", style="dim")
        return
    result["benchmarks"][name] = answer
    console.print(table(name, answer))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure mpcjax on this machine.")
    parser.add_argument("benchmark", nargs="*", help="which to run (default: all)")
    parser.add_argument("--long", action="store_true", help="the longer grid")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    parser.add_argument("--json", type=Path, help="where to write the numbers (default: benchmarks/results/)")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = sorted(set(options.benchmark) - set(names()))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(names())}")
    if options.list:
        print("\n".join(names()))
    elif options.into:
        measure_into(options.into, options.benchmark, not options.long)
    else:
        failed = run(*options.benchmark, quick=not options.long, apart=True, path=options.json)["failed"]
        return 1 if failed else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
