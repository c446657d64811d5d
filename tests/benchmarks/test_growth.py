"""Fitted exponents: of points on a line, of rounds made up here; bytes counted without running."""

from types import SimpleNamespace

import pytest

from benchmarks import bench_circuits, bench_growth, floors, growth_plot


def rounds(rule, n, d, m, repeats):
    """Sharing grows like n m^2, checks like n, combine like n^2, opening not at all."""
    times = [{"offline": 1.0, "deal": n * m**2, "prove": 2.0 * n, "combine": n**2 / 7, "open": 3.0}] * repeats
    return SimpleNamespace(times=times, median=lambda: sum(times[0].values()))


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 2.0])
def test_the_exponent_of_a_power_is_found(power):
    assert bench_growth.exponent([(x, 3 * x**power) for x in (2, 5, 40, 41)]) == pytest.approx(power)


def test_the_exponent_is_the_slope_of_least_squares():
    points = [(1.0, 1.0), (10.0, 100.0), (100.0, 1000.0)]  # logarithms 0, 2, 3 over 0, 1, 2
    assert bench_growth.exponent(points) == pytest.approx(1.5)


def test_every_stage_has_its_exponent(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_growth.bench_round, "rounds", rounds)
    over_n = bench_growth.times("n", (10, 20, 40), bench_growth.FIXED)
    found = {row["name"]: row for row in bench_growth.exponent_rows("n", over_n)}
    values = [found[f"growth/{stage} over n"]["value"] for stage in floors.STAGES]
    assert values == pytest.approx([1, 1, 2, 0], abs=1e-9)
    assert found["growth/combine over n"]["ratio"] == pytest.approx(2)
    assert "floor" not in found["growth/open over n"]
    over_m = bench_growth.exponent_rows("m", bench_growth.times("m", (3, 5, 11), bench_growth.FIXED))
    assert over_m[0]["value"] == pytest.approx(2) and over_m[0]["ratio"] == pytest.approx(1)
    assert over_m[0]["shape"] == "m = 3, 5, 11"
    assert growth_plot.draw({"n": over_n}, "made up", tmp_path / "deeper" / "a.png")
    assert (tmp_path / "deeper" / "a.png").stat().st_size > 1000


def test_bytes_are_those_of_both_phases():
    job = bench_circuits.Job("multiplications", "multiplication", bench_circuits.product, 2, 50)
    (row,) = bench_growth.bytes_rows(job, (3,))
    assert row["parties"] == 3 and row["value"] == row["offline"] + row["online"] > 16
    apart = bench_circuits.traffic(job, bench_circuits.scheme_of(3))
    assert row["value"] == pytest.approx(sum(one["value"] for one in apart))
