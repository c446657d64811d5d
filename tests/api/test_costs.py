"""Predictions of `estimate`: their formulas by hand, what they grow with, and what is counted in a traced program."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import costs
from mpcjax._compat import x64
from mpcjax.certificates import Norm
from mpcjax.costs import LAN, MOBILE, NETWORKS, WAN, Network, Rates
from mpcjax.fields import F61
from mpcjax.prg import field_elements
from mpcjax.work import Load, Work, counted

ONES = Rates(*(1.0 for _ in dataclasses.fields(Rates)))
PEERS, LENGTH = 6, 4_000


@dataclasses.dataclass(frozen=True)
class BySum(mpcjax.Rule):
    """Every message times the sum of its entries: weighted, and little to trace."""

    name = "by sum"

    def certificate(self, peers):
        return Norm(2.0, peers)

    def score(self, messages, public):
        return messages.sum(axis=1)

    def weigh(self, scores, public):
        return scores


def estimate(rule: Any = "mean", length=LENGTH, peers=PEERS, parties=3, **more):
    group = more.pop("group", None)
    return mpcjax.estimate(rule, length, peers=peers, committee=mpcjax.simulate(parties, group=group), **more)


def memory(*args, **more) -> int:
    found = estimate(*args, **more).memory
    assert found is not None
    return found


def computing(**more) -> float:
    found = estimate(rates=ONES, **more).compute_seconds
    assert found is not None
    return found


def phases(*args, **more) -> tuple[tuple[str, Work], ...]:
    load = estimate(*args, **more).load
    assert load is not None
    return load.phases


def work_of(function, *args):
    with x64():
        return counted(function, *args)[1]


def held_by(function, *args):
    with x64():
        return counted(function, *args)[2]


def words(*shape):
    return jax.ShapeDtypeStruct(shape, np.uint64)


def test_seconds_of_a_network():
    for latency, bandwidth in ((-1.0, 1.0), (float("nan"), 1.0), (0.0, 0.0)):
        with pytest.raises(ValueError, match=r"latency=.*bandwidth=.*legal are seconds from 0"):
            Network("wrong", latency, bandwidth)
    assert Network("by hand", latency=0.5, bandwidth=100).seconds(rounds=3, sent=250) == 1.5 + 2.5
    assert LAN.seconds(10, 125e6) == pytest.approx(1.005)
    assert WAN.seconds(10, 125e6) == pytest.approx(10.4)
    assert MOBILE.seconds(10, 125e6) == pytest.approx(100.25)


def test_a_rate_is_how_much_of_its_kind_is_done_in_a_second():
    work = Work(words=6, products=10, floats=4, keystream=2, rolled=1, moved=30, fresh=8, kernels=5)
    rates = Rates(words=3, products=2, floats=1, keystream=4, rolled=2, moved=10, fresh=16, kernels=5)
    assert rates.terms(work) == dict(
        words=2, products=5, floats=4, keystream=0.5, rolled=0.5, moved=3, fresh=0.5, kernels=1
    )
    assert rates.seconds(work) == 16.5


@pytest.mark.user
def test_seconds_are_rounds_bytes_uploads_and_computing():
    cost = estimate()
    network = Network("by hand", latency=2.0, bandwidth=10.0)
    sent = cost.offline_bytes + cost.online_bytes + cost.upload_bytes
    assert cost.compute_seconds is None
    assert cost.seconds(network) == pytest.approx(2 * cost.rounds + sent / 10)
    known = dataclasses.replace(cost, load=Load((("deal", Work(words=3)), ("open", Work(moved=4))), 0), rates=ONES)
    assert known.compute_seconds == 7
    assert known.seconds(network) == pytest.approx(cost.seconds(network) + 7)


@pytest.mark.user
def test_elements_make_up_the_bytes():
    cost = estimate()
    assert cost.elements["open"] * 8 == cost.phases["open"]["sent"]
    small = mpcjax.estimate("rsa", 50, peers=4, committee=mpcjax.simulate(3, field=31))
    assert small.elements["open"] * 4 == small.phases["open"]["sent"]


@pytest.mark.user
def test_all_of_it_is_printed():
    cost = estimate(rates=ONES)
    text = str(cost)
    for part in ("elements", "material: ", "memory: ", "revealed: output", *(network.name for network in NETWORKS)):
        assert part in text
    assert "calibrate" not in text and f"{cost.compute_seconds:,.0f} s" in text
    assert "calibrate" in str(estimate())


@pytest.mark.user
def test_a_report_has_the_cost_that_was_estimated_but_predicts_nothing():
    updates = jnp.ones((PEERS, 20))
    cost = mpcjax.aggregate(updates, "mean", committee=mpcjax.simulate(3)).report.cost
    assert cost == estimate(length=20, rates=ONES) and cost.load is None and cost.memory is None
    assert "memory" not in str(cost)


@pytest.mark.user
def test_memory_is_at_least_the_updates_and_their_shares_and_not_many_times_that():
    least = PEERS * 60_000 * (4 + 3 * 8)
    assert least < memory("rsa", 60_000) < 2 * least


@pytest.mark.once
@pytest.mark.user
def test_memory_grows_with_parameters_peers_and_parties():
    one = memory("rsa", 70_000)  # from 2^16 on, proofs cut alike
    assert memory("rsa", 140_000) > 1.7 * one
    assert memory("rsa", 70_000, 2 * PEERS) > 1.7 * one
    assert memory("rsa", 70_000, parties=6) > 1.5 * one


@pytest.mark.once
@pytest.mark.user
def test_memory_follows_a_group():
    """Two of them go side by side; of the other peers only the updates are held, and a little each."""
    whole, apart, less = (memory("rsa", 200_000, 12, group=group) for group in (12, 3, 2))
    assert 12 * 200_000 * 4 < less < apart < whole / 1.5


@pytest.mark.long
@pytest.mark.user
def test_computing_grows_with_parameters_and_peers():
    one = computing(rule="rsa", length=1_000_000)
    assert computing(rule="rsa", length=2_000_000) == pytest.approx(2 * one, rel=0.2)
    assert computing(rule="rsa", length=1_000_000, peers=2 * PEERS) == pytest.approx(2 * one, rel=0.2)


@pytest.mark.once
@pytest.mark.user
def test_a_weighted_rule_in_groups_deals_up_to_three_times_and_holds_two_groups():
    cost = estimate(BySum(), 200_000, 12, group=3, fraction_bits=4)
    assert cost.load is not None and cost.memory is not None
    again = sum((work for name, work in cost.load.phases if name == "deal again"), Work())
    drawn = 4 * 65_536 * 8  # bytes a peer, in whole chunks
    assert again.keystream == pytest.approx(2 * 6 * drawn)  # all but two of four groups, twice
    assert {"sum", "project"} <= {name for name, _ in cost.load.phases}
    saved = memory(BySum(), 200_000, 12, group=12, fraction_bits=4) - cost.memory
    assert saved > 24 * 3 * 200_000 and cost.memory > (4 * 12 + 24 * 6) * 200_000  # of six peers' shares, half


@pytest.mark.user
def test_what_happens_only_where_a_peer_cheats_is_not_predicted():
    assert not {"exclude", "reject"} & {name for name, _ in phases()}


def test_operations_are_counted_in_words_of_64_bits():
    assert work_of(lambda x: (x + x) ^ x, words(10)).words == 20
    assert work_of(lambda x: x + x, jax.ShapeDtypeStruct((10,), np.uint32)).words == 5
    assert work_of(lambda x: x * x + x, words(3, 5)) == Work(words=15, products=15)


def test_a_loop_counts_as_often_as_it_runs():
    looped = work_of(lambda x: jax.lax.fori_loop(0, 7, lambda _, x: x + x, x), words(10))
    assert looped.words == pytest.approx(70, abs=7)  # and its counter
    assert work_of(lambda x: jax.lax.while_loop(lambda x: x[0] > 0, lambda x: x + x, x), words(10)).words == 0


def test_one_branch_counts():
    assert work_of(lambda x: jax.lax.cond(x[0] > 0, lambda: x + x, lambda: x), words(100)).words == pytest.approx(
        100, abs=2
    )
    here = work_of(lambda x: jax.lax.platform_dependent(x, cpu=lambda x: x + x, default=lambda x: x + x + x), words(10))
    assert here.words == (10 if jax.default_backend() == "cpu" else 20)


def test_terms_of_a_matrix_product():
    a, b = (jax.ShapeDtypeStruct(shape, np.float64) for shape in ((4, 9), (9, 5)))
    assert work_of(jnp.matmul, a, b).floats == 4 * 9 * 5


@pytest.mark.parametrize(("count", "kind", "bytes_each"), [(1 << 17, "keystream", 8), (1 << 10, "rolled", 16)])
def test_bytes_of_keystream(count, kind, bytes_each):
    keys, nonces = (jax.ShapeDtypeStruct(shape, np.uint32) for shape in ((2, 8), (3, 3)))
    done = work_of(lambda keys, nonces: field_elements(keys, nonces, F61, (count,)), keys, nonces)
    assert getattr(done, kind) == pytest.approx(2 * count * bytes_each, rel=0.01)


def test_what_is_moved_is_large_and_counted_once():
    large = words(1 << 20)  # 8 MB
    assert work_of(lambda x: jnp.sum(x * x), large).moved == 8 << 20
    assert work_of(lambda x: x + x, large).moved == 16 << 20
    assert work_of(lambda x: jnp.sum(x[: 1 << 19]), large).moved == 4 << 20
    assert work_of(lambda x: x + x, words(1000)).moved == 0


def test_what_is_held_at_a_time():
    x = words(1 << 20)
    size = 8 << 20
    assert held_by(lambda x: jnp.sum(x * x + x), x) < 100  # in one pass
    assert held_by(lambda x: jnp.flip(x) + x, x) == 2 * size
    assert held_by(lambda x: jnp.sum(jnp.flip(jnp.flip(jnp.flip(x)))), x) == pytest.approx(2 * size, abs=100)
    assert (
        held_by(
            lambda x: jax.lax.fori_loop(0, 9, lambda i, x: jax.lax.dynamic_update_slice(x, x[:5] + x[5:10], (i,)), x), x
        )
        < 1.1 * size
    )


def test_rates_are_measured(monkeypatch):
    for name, value in {"LENGTH": 1 << 8, "MOVED": 1 << 23, "EXPANDED": 1 << 17, "PRODUCTS": 1 << 10}.items():
        monkeypatch.setattr(costs, name, value)
    found = dataclasses.astuple(costs.calibrate(repeats=1))
    assert all(math.isfinite(rate) and rate > 0 for rate in found)
