"""Does a round run on a TPU? Its programs, compiled by the TPU compiler on a machine that has none.

    make tpu-check                                                      every rule at 100 peers, 1,000,000 parameters
    python -m benchmarks.tpu_check --rules rsa --peers 8 --length 2000  one rule, small; needs `libtpu`

For each program of a round: whether it compiles, the memory that it needs (arguments, outputs and temporaries, less what
they share) with the arrays that the round holds beside it, against the 16 GB of a v5e chip, and what the compiler
expects: seconds and bytes. Both count the body of a loop once, however often it runs, so they are lower bounds.

Exits with 1 if a program does not compile or does not fit; a rule that refuses so many peers is listed, and has none.
Writes one JSON file, after every program.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # programs are compiled for a TPU, nothing runs there
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # libtpu would ask a cloud's metadata server what machine this is
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rich.console import Console
from rich.table import Table

import mpcjax
from benchmarks import harness
from benchmarks.programs import NAMES, Program, programs
from mpcjax._compat import x64
from mpcjax.api import setup_of
from mpcjax.phases import SETTLING
from mpcjax.rules import RULES, resolve

RESULTS = Path(__file__).parent / "results" / "tpu_check"  # not among the results that `compare` looks for
MEMORY = 16e9  # bytes of a v5e chip
BANDWIDTH = 819e9  # bytes per second of its memory
TOPOLOGY = "v5e:2x2"  # the smallest that the compiler knows; one chip of it is used
WIDTH = 150
MISSING = (
    "libtpu, the TPU compiler, is not installed: run `make tpu-check`, which gives it an environment of its own, or "
    "install mpcjax with the extra [tpu]"
)


@dataclasses.dataclass
class Verdict:
    """What the compiler says about one program, all in bytes and seconds; `error` if it does not compile.

    `refused`: what the rule says to this many peers and parameters, if it is not for so many. It has no programs then.
    """

    rule: str
    program: str
    compile_seconds: float = 0.0
    arguments: int = 0
    outputs: int = 0
    temporaries: int = 0
    aliases: int = 0
    beside: int = 0
    bytes_accessed: float = 0.0
    optimal_seconds: float = 0.0
    error: str = ""
    refused: str = ""

    @property
    def needed(self) -> int:
        return self.arguments + self.outputs + self.temporaries - self.aliases + self.beside

    @property
    def fits(self) -> bool:
        return not self.error and self.needed <= MEMORY

    @property
    def word(self) -> str:
        if self.refused:
            return "refused"
        return "does not compile" if self.error else "fits" if self.fits else "does not fit"

    @property
    def estimated_seconds(self) -> float:
        """`optimal_seconds` without the -1 that the compiler adds for every operation whose cost it does not know (the
        splitting and joining of 64-bit words): as many are put back as make it no less than the memory traffic takes."""
        short = self.bytes_accessed / BANDWIDTH - self.optimal_seconds
        return self.optimal_seconds + max(0, math.ceil(short - 1e-3))


def judge(rule: str, program: Program) -> Verdict:
    """Compile one program and ask the compiler about it."""
    start = time.perf_counter()
    try:
        compiled = program.traced.lower().compile()
    except Exception as error:  # whatever the compiler objects to is the result
        return Verdict(rule, program.name, time.perf_counter() - start, error=f"{type(error).__name__}: {error}")
    taken = time.perf_counter() - start
    return analysed(rule, program, taken, compiled.memory_analysis(), compiled.cost_analysis())


def analysed(rule: str, program: Program, seconds: float, memory: Any, cost: Any) -> Verdict:
    arguments = memory.argument_size_in_bytes
    return Verdict(
        rule,
        program.name,
        seconds,
        arguments,
        memory.output_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.alias_size_in_bytes,
        max(0, program.alive - arguments),
        cost.get("bytes accessed", 0.0),
        cost.get("optimal_seconds", 0.0),
    )


def tpu_sharding() -> Any:
    """A place on a chip that is not there; SystemExit with the fix where there is no TPU compiler."""
    if importlib.util.find_spec("libtpu") is None:
        raise SystemExit(MISSING)
    from jax.experimental import topologies
    from jax.sharding import SingleDeviceSharding

    device = topologies.get_topology_desc(platform="tpu", topology_name=TOPOLOGY).devices[0]
    return SingleDeviceSharding(device)


def verdicts(options: argparse.Namespace, sharding: Any, console: Console) -> Iterator[Verdict]:
    for rule in options.rules:
        committee = mpcjax.simulate(parties=options.parties, threshold=options.threshold)
        try:
            setup = setup_of(resolve(rule), committee, options.peers, options.length)
        except ValueError as refusal:
            yield Verdict(rule, "", refused=str(refusal))
            continue
        for program in programs(setup, sharding):
            if program.name in options.programs:
                console.print(f"compiling {rule}, {program.name} ...", style="dim")
                verdict = judge(rule, program)
                console.print(f"  {verdict.word}: {verdict.needed / 1e9:.2f} GB, {verdict.compile_seconds:.0f} s")
                yield verdict


def table(found: list[Verdict]) -> Table:
    caption = "GB, compared with the 16 GB of a chip; seconds and GB moved count the body of a loop once"
    result = Table(title="TPU v5e", caption=caption, title_justify="left", caption_justify="left")
    for heading in ("rule", "program", ""):
        result.add_column(heading)
    for heading in (
        "arguments",
        "outputs",
        "temporaries",
        "held beside",
        "together",
        "seconds",
        "GB moved",
        "compiled in",
    ):
        result.add_column(heading, justify="right")
    for v in found:
        sizes = (v.arguments, v.outputs, v.temporaries, v.beside, v.needed)
        cells = [f"{size / 1e9:.2f}" for size in sizes]
        cells += [f"{v.estimated_seconds:.4f}", f"{v.bytes_accessed / 1e9:.2f}", f"{v.compile_seconds:.0f} s"]
        style = "" if v.fits else "bold red"
        result.add_row(v.rule, v.program, v.word, *(cells if not (v.error or v.refused) else []), style=style)
    return result


def write(path: Path, options: argparse.Namespace, found: list[Verdict]) -> None:
    sizes = {name: getattr(options, name) for name in ("peers", "length", "parties", "threshold")}
    rows = [
        {**dataclasses.asdict(v), "needed": v.needed, "seconds": v.estimated_seconds, "fits": v.fits} for v in found
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": harness.machine(), **sizes, "programs": rows}, indent=1) + "\n")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tpu_check", description="Compile every program for v5e."
    )
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--length", type=int, default=1_000_000, help="parameters of the model")
    parser.add_argument("--parties", type=int, default=5, help="members of the committee")
    parser.add_argument("--threshold", type=int, help="corrupt members withstood (default: as many as can be)")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES), metavar="RULE")
    parser.add_argument(
        "--programs", nargs="+", choices=NAMES, default=list(NAMES), metavar="PROGRAM", help=", ".join(NAMES)
    )
    parser.add_argument("--list", action="store_true", help="list the programs and stop")
    parser.add_argument("--json", type=Path, help="where to write the numbers (default: benchmarks/results/tpu_check/)")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    if options.list:
        listed = [(rule, name) for rule in options.rules for name in options.programs]
        print(*(f"{r}, {name}" for r, name in listed if name not in SETTLING or resolve(r).settles), sep="\n")
        return 0
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    path = options.json or RESULTS / f"{time.strftime('%Y-%m-%dT%H%M%S', time.gmtime())}.json"
    found: list[Verdict] = []
    sharding = tpu_sharding()
    with x64():
        for verdict in verdicts(options, sharding, console):
            found.append(verdict)
            write(path, options, found)  # a run that is stopped has told what it found
    console.print(table(found))
    for verdict in found:
        if verdict.error:
            console.print(f"{verdict.rule}, {verdict.program}: {verdict.error[:2000]}", style="red", markup=False)
        if verdict.refused:
            console.print(f"{verdict.rule}: {verdict.refused}", markup=False)
    console.print(f"written to {path}", soft_wrap=True)
    compiled = [verdict for verdict in found if not verdict.refused]
    return 0 if compiled and all(verdict.fits for verdict in compiled) else 1


if __name__ == "__main__":
    sys.exit(main())
