"""The TPU check without a TPU compiler: which programs it walks, how it judges, what it says when it cannot work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

import mpcjax
from benchmarks import programs, tpu_check
from mpcjax._compat import products_of_bytes_on_cpu, x64
from mpcjax.phases import ALL, PHASES
from mpcjax.setup import Setup

GB = 10**9
LIBRARY = Path(mpcjax.__file__).parent


def traced(rule: str) -> list[programs.Program]:
    scheme = mpcjax.simulate(parties=3).scheme
    with x64():
        return list(programs.programs(Setup(scheme, mpcjax.rules.resolve(rule), 4, 20)))


def judged(alive: int = 0, **sizes: float) -> tpu_check.Verdict:
    given = dict(argument=4 * GB, output=GB, temp=5 * GB, alias=0) | sizes
    memory = SimpleNamespace(**{f"{name}_size_in_bytes": size for name, size in given.items()})
    cost = {"bytes accessed": 819e6, "optimal_seconds": -2.9985}
    return tpu_check.analysed("rsa", programs.Program("deal", None, alive), 1.0, memory, cost)


def test_every_phase_of_every_rule_is_listed(capsys):
    assert tpu_check.main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    expected = [(rule, name) for rule in mpcjax.rules.RULES for name in ("offline", *PHASES)]
    assert listed == [f"{rule}, {name}" for rule, name in expected if rule == "fltrust" or "settle" not in name]


def test_a_round_is_walked_to_its_end_and_counts_what_it_holds():
    found = traced("rsa")
    assert [program.name for program in found] == ["offline", *ALL]
    updates, shares = 4 * 20 * 4, 3 * 4 * 20 * 8
    assert found[0].alive >= updates
    held = {program.name: program.alive for program in found}
    assert all(held[name] >= updates + shares for name in ("exclude", "certify", "verify certificates", "combine"))
    assert held["open"] < held["combine"] < held["deal"] + 2 * shares


def test_a_rule_that_settles_does_so_after_its_groups():
    with x64():
        found = programs.programs(Setup(mpcjax.simulate(parties=3).scheme, mpcjax.rules.fltrust(), 4, 20, groups=2))
        assert [program.name for program in found] == ["offline", *PHASES]


def test_programs_lowered_for_a_tpu_take_its_forms():
    scheme = mpcjax.simulate(parties=3).scheme
    with x64():
        walk = programs.programs(Setup(scheme, mpcjax.rules.resolve("mean"), 3, 20_000))
        _, deal = next(walk), next(walk)
        cpu, tpu = (deal.traced.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "tpu"))
    assert "reduce_window" in cpu and "reduce_window" not in tpu  # the keystream in one kernel
    of_cpu = "xi8>" if products_of_bytes_on_cpu() else "xf64>"
    assert re.search(f"dot_general.*{of_cpu}", cpu) and re.search(r"dot_general.*xi8>", tpu)  # the projections
    assert not re.search(r"dot_general.*xf64>", tpu)


def test_no_library_code_asks_where_it_is_traced():
    """It would take the form for the machine that compiles, not for the one that runs. What counts work takes no form,
    nor do the options of the compiler, which `programs` leaves out."""
    asking = [path.name for path in LIBRARY.rglob("*.py") if "default_backend(" in path.read_text()]
    assert sorted(asking) == ["_compat.py", "work.py"]


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        ({}, True),
        ({"temp": 11 * GB}, True),
        ({"temp": 11 * GB + 1}, False),
        ({"temp": 12 * GB, "alias": GB}, True),
        ({"alive": 10 * GB}, True),  # 4 GB of it are arguments
        ({"alive": 10 * GB + 1}, False),
    ],
)
def test_arguments_outputs_temporaries_and_what_is_held_beside_must_fit(sizes, fits):
    verdict = judged(**sizes)
    assert verdict.fits == fits
    assert verdict.word == ("fits" if fits else "does not fit")


def test_operations_of_unknown_cost_do_not_make_time_negative():
    assert judged().estimated_seconds == pytest.approx(0.0015)


def test_the_exit_status_and_the_file_say_what_does_not_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tpu_check, "tpu_sharding", lambda: None)
    for verdict, status in ((judged(), 0), (judged(temp=12 * GB), 1), (tpu_check.Verdict("rsa", "open", error="E"), 1)):
        monkeypatch.setattr(tpu_check, "verdicts", lambda *_, verdict=verdict: iter([verdict]))
        assert tpu_check.main(["--json", str(tmp_path / "x.json")]) == status
        (row,) = json.loads((tmp_path / "x.json").read_text())["programs"]
        assert row["fits"] == (status == 0)
    assert "does not compile" in capsys.readouterr().out


def test_a_rule_that_is_not_for_so_many_peers_is_listed_and_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tpu_check, "tpu_sharding", lambda: None)
    monkeypatch.setattr(tpu_check, "programs", lambda *_: [programs.Program("open", None, 0)])
    monkeypatch.setattr(tpu_check, "judge", lambda rule, program: judged())
    for rules, status in ((["minimum_diameter_averaging", "rsa"], 0), (["minimum_diameter_averaging"], 1)):
        assert tpu_check.main(["--json", str(tmp_path / "x.json"), "--rules", *rules]) == status
        assert "compares 485,100 distances" in capsys.readouterr().out
    listed = json.loads((tmp_path / "x.json").read_text())["programs"]
    assert [row["program"] for row in listed] == [""]


def test_a_compiler_that_refuses_is_a_verdict():
    def refuse() -> None:
        raise jax.errors.JaxRuntimeError("out of memory")

    verdict = tpu_check.judge("rsa", programs.Program("open", SimpleNamespace(lower=refuse), 0))
    assert not verdict.fits and "out of memory" in verdict.error


def test_without_the_compiler_the_fix_is_named(monkeypatch):
    monkeypatch.setattr(tpu_check.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="make tpu-check"):
        tpu_check.main([])
