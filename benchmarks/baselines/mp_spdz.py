"""MP-SPDZ: malicious Shamir, honest majority, field 2^61-1, exact comparisons; a process per party.

MP_SPDZ names its folder, built with `make malicious-shamir-party.x` and `Scripts/setup-ssl.sh`. The programs in `mp_spdz/` are
copied into its `Programs/Source`, compiled by its `compile.py -P` (comparisons on the whole field) and run by
`Scripts/mal-shamir.sh`. Written from its documentation: this adapter has not been run, MP-SPDZ being in no package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.baselines import common

PROGRAMS = Path(__file__).parent / "mp_spdz"
PARTIES = (3, 5)
BINARY = "malicious-shamir-party.x"


class MpSpdz(common.Engine):
    """Installed is not a module but a folder."""

    def missing(self) -> str | None:
        folder = os.environ.get("MP_SPDZ", "")
        if folder and (Path(folder) / BINARY).exists():
            return None
        return f"{self.name} is not there: {self.install}"

    def version(self) -> str:
        """The first heading of its change log that names a version."""
        log = Path(os.environ["MP_SPDZ"]) / "CHANGELOG.md"
        found = re.search(r"^## (\S+)", log.read_text(), re.MULTILINE) if log.exists() else None
        return found.group(1) if found else "unknown"


ENGINE = MpSpdz(
    name="MP-SPDZ (malicious Shamir)",
    module="",
    install=f"set MP_SPDZ to its folder, with {BINARY} built there",
    security="active, honest majority, with abort",
    field="2^61-1",
    transport=common.LOCAL,
)


def run(quick: bool) -> Iterator[common.Row]:
    """Seconds of timer 1: the operation and the opening of its results; MP-SPDZ makes its triples when they are needed."""
    for m in PARTIES[:1] if quick else PARTIES:
        for d in common.PRODUCTS:
            yield _row("multiplications", m, 1, d, str(d))
        for d in common.COMPARISONS:
            yield _row("comparisons", m, 1, d, str(d))
        for n, d in common.MEANS:
            yield _row("mean", m, n, d, str(n), str(d))


def _row(job: str, m: int, n: int, d: int, *arguments: str) -> common.Row:
    folder, environment = Path(os.environ["MP_SPDZ"]), os.environ | {"PLAYERS": str(m)}
    program = {"mean": "sums"}.get(job, job)
    shutil.copy(PROGRAMS / f"{program}.mpc", folder / "Programs" / "Source")
    compiler = ["./compile.py", "-P", str(common.PRIME), program, *arguments]
    subprocess.run(compiler, cwd=folder, env=environment, check=True, capture_output=True)
    script = ["Scripts/mal-shamir.sh", "-".join((program, *arguments))]
    done = subprocess.run(script, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return ENGINE.row(job, timer(done.stdout + done.stderr), n=n, d=d, m=m, threshold=(m - 1) // 2)


def timer(output: str) -> float:
    """Seconds of timer 1 in what MP-SPDZ prints: `Time1 = 0.5 seconds (...)`."""
    found = re.search(r"^Time1 = ([0-9.eE+-]+) seconds", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"MP-SPDZ printed no `Time1`: {output[-500:]}")
    return float(found.group(1))


if __name__ == "__main__":
    common.main(ENGINE, run)
