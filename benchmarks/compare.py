"""What got slower: two result files of `python -m benchmarks` side by side.

    python -m benchmarks.compare                   the newest file in benchmarks/results against the one before it
    python -m benchmarks.compare OLD.json NEW.json

Rows are matched by benchmark, name and shape. Machines differ and are noisy: a row counts as slower (or larger) only from
`--limit` times on, and where both files carry the row's floor, times over the floor are compared, which cancels most of
the machine. Exits with 1 if a row got worse, so that a script can ask.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
RATES = ("/s",)  # units in which more is better end like this
LIMIT = 1.25


def load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise SystemExit(f"{path}: not a result file of `python -m benchmarks` ({error})") from None


def newest(folder: Path = RESULTS) -> tuple[Path, Path]:
    """The two newest result files, older first (their names begin with the time)."""
    files = sorted(folder.glob("*.json"))
    if len(files) < 2:
        raise SystemExit(
            f"{folder} has {len(files)} result files, two are compared: run `make bench` again, or name two"
        )
    return files[-2], files[-1]


def by_key(result: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = [(name, row) for name, answer in result["benchmarks"].items() for row in answer["rows"]]
    return {(name, row["name"], row.get("shape", "")): row for name, row in rows}


def worse(old: dict[str, Any], new: dict[str, Any]) -> float:
    """How many times worse `new` is: by times over the floor where both have it, else by value; 1.0 is the same."""
    if old["value"] <= 0 or new["value"] <= 0:  # a fitted exponent may be: nothing to compare
        return 1.0
    if old.get("ratio") and new.get("ratio"):
        return new["ratio"] / old["ratio"]
    change = new["value"] / old["value"]
    return 1 / change if new["unit"].endswith(RATES) else change


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[float, tuple[str, str, str], Any, Any]]:
    """`(times worse, key, old row, new row)` of the rows both have, worst first."""
    before, after = by_key(old), by_key(new)
    common = [(worse(before[key], after[key]), key, before[key], after[key]) for key in before if key in after]
    return sorted(common, key=lambda entry: -entry[0])


def table(entries: list[tuple[float, tuple[str, str, str], Any, Any]], title: str) -> Table:
    result = Table(title=title, title_justify="left")
    for heading in ("benchmark", "measured", "shape", "old", "new", "unit", "times worse"):
        result.add_column(heading, justify="right" if heading in ("old", "new", "times worse") else "left")
    for times, (name, measured, shape), old, new in entries:
        result.add_row(name, measured, shape, f"{old['value']:.3g}", f"{new['value']:.3g}", new["unit"], f"{times:.2f}")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="What got slower, or larger.")
    parser.add_argument("files", nargs="*", type=Path, metavar="OLD NEW", help="two result files (default: the newest)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"times worse that counts (default {LIMIT})")
    options = parser.parse_args()
    if len(options.files) not in (0, 2):
        parser.error(f"{len(options.files)} files: legal are two, OLD.json NEW.json, or none for the two newest")
    old_path, new_path = options.files or newest()
    old, new = load(old_path), load(new_path)
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(f"{old_path} ({old['machine']['commit']}) against {new_path} ({new['machine']['commit']})")
    for what in ("cpu", "cores", "device", "jax"):
        if old["machine"].get(what) != new["machine"].get(what):
            console.print(
                f"not the same {what}: {old['machine'].get(what)}, {new['machine'].get(what)}", style="yellow"
            )
    entries = changes(old, new)
    slower = [entry for entry in entries if entry[0] >= options.limit]
    faster = [entry for entry in reversed(entries) if entry[0] <= 1 / options.limit]
    for rows, word in ((slower, "worse"), (faster, "better")):
        if rows:
            console.print(table(rows, f"{word} by {options.limit:g} or more"))
    console.print(f"{len(entries)} rows compared: {len(slower)} worse, {len(faster)} better")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
