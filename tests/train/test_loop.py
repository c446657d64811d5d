"""The loop: it learns, it resumes exactly, it survives what is not finite, and attacks do what they are for."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mpcjax
from mpcjax import train
from mpcjax.train import metrics
from mpcjax.train.loop import _compiled

ROUNDS = 30


def leaves(history):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(history.state)]


def methods(task, data):
    root = train.root_batch(data, 30)
    return {
        "mean": (train.Descent(task, 6, optax.sgd(0.5)), mpcjax.rules.mean()),
        "centered_clipping": (
            train.Descent(task, 6, optax.sgd(0.5), public="center"),
            mpcjax.rules.centered_clipping(clip=0.5),
        ),
        "fltrust": (
            train.Descent(task, 6, optax.sgd(0.5), momentum=0.0, public="reference", root=root),
            mpcjax.rules.fltrust(),
        ),
        "rsa": (train.Rsa(task, 6, 0.3, 0.02, momentum=0.9), mpcjax.rules.rsa(lam=0.02)),
    }


@pytest.fixture(params=["mean", "centered_clipping", "fltrust", "rsa"])
def method(request, task, data):
    """(name, dynamics, plain aggregator)"""
    dynamics, rule = methods(task, data)[request.param]
    return request.param, dynamics, train.plain(rule)


def test_every_rule_learns(make_run, method):
    _, dynamics, aggregator = method
    assert train.train(make_run(dynamics, aggregator), ROUNDS, evaluate_every=ROUNDS).accuracy > 0.85


def test_the_attack_stops_the_mean_only(make_run, method):
    name, dynamics, aggregator = method
    run = make_run(dynamics, aggregator, attack=mpcjax.attacks.ipm(10.0), malicious=1)
    accuracy = train.train(run, ROUNDS, evaluate_every=ROUNDS).accuracy
    assert accuracy < 0.5 if name == "mean" else accuracy > 0.8


@pytest.mark.once
@pytest.mark.parametrize("attack", sorted(mpcjax.attacks.ATTACKS))
def test_every_attack_runs_in_the_loop(make_run, attack):
    run = make_run(attack=mpcjax.attacks.ATTACKS[attack](), malicious=2)
    history = train.train(run, 2)
    assert [record["applied"] for record in history.records] == [True, True]


def test_labels_are_flipped_for_the_malicious_only(make_run):
    """Honest losses, and so the logged loss, are those of a run without attack in the first round."""
    flipped = train.train(make_run(attack=mpcjax.attacks.label_flip(3), malicious=2), 1)
    honest = train.train(make_run(malicious=2), 1)
    assert flipped.records[0]["loss"] == honest.records[0]["loss"]
    assert not np.array_equal(flipped.state["params"], honest.state["params"])


TRIGGER = mpcjax.attacks.Trigger(target=1, size=2)


def triggered(run, rounds=2 * ROUNDS):
    """(accuracy, success of the trigger) after the run"""
    history = train.train(run, rounds, evaluate_every=rounds)
    return history.accuracy, train.success_rate(run.task, run.method.params(history.state), run.data, TRIGGER)


def test_a_backdoor_opens_and_leaves_the_main_task_alone(make_run, task):
    descent, mean = train.Descent(task, 6, optax.sgd(0.5)), train.plain("mean")
    clean = triggered(make_run(descent, mean, malicious=2))
    opened = triggered(make_run(descent, mean, attack=mpcjax.attacks.backdoor(trigger=TRIGGER), malicious=2))
    assert clean[1] < 0.5 < 0.9 < opened[1]
    assert opened[0] > 0.85


def test_a_backdoor_is_in_the_data_of_the_malicious_only(make_run):
    """And so invisible in the honest peers' losses of the first round."""
    poisoned = train.train(make_run(attack=mpcjax.attacks.backdoor(1.0, trigger=TRIGGER), malicious=2), 1)
    honest = train.train(make_run(malicious=2), 1)
    assert poisoned.records[0]["loss"] == honest.records[0]["loss"]
    assert not np.array_equal(poisoned.state["params"], honest.state["params"])


def test_images_are_stamped_before_they_are_standardised(make_run, data):
    honest, seen = make_run().method, []

    class Brightest:
        """Every peer sends its brightest pixel."""

        init, step, params = honest.init, honest.step, honest.params

        def local(self, state, images, labels, peers_at_once):
            local = honest.local(state, images, labels, peers_at_once)
            return local._replace(updates=jnp.max(images, axis=(1, 2, 3, 4))[:, None] + jnp.zeros_like(local.updates))

    def aggregator(updates, number, **public):
        seen.append(np.asarray(updates)[:, 0])
        return updates[0], None

    attack = mpcjax.attacks.backdoor(1.0, trigger=TRIGGER)
    train.train(make_run(Brightest(), aggregator, attack=attack, malicious=2), 1)
    np.testing.assert_allclose(seen[0][-2:], (255 - data.mean) / data.std, rtol=1e-6)
    assert seen[0][:-2].max() <= (219 - data.mean) / data.std + 1e-5


def test_success_rate(task, data):
    """Against a count by hand, on images of other classes only."""
    others = data.test_images[data.test_labels != 1].copy()
    others[:, -2:, -2:, :] = 255
    logits = task.apply(task.unravel(task.start), (others.astype(np.float32) - data.mean) / data.std)
    expected = float((np.argmax(logits, axis=1) == 1).mean())
    assert train.success_rate(task, task.start, data, TRIGGER) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"target=3: legal are 0\.\.2"):
        train.success_rate(task, task.start, data, mpcjax.attacks.Trigger(target=3))


@pytest.mark.parametrize("name", ["center", "reference"])
def test_an_attack_is_told_what_the_rule_is_told(make_run, task, data, name):
    """The malicious peers answer with the public point itself."""

    def craft(updates, honest, known):
        return getattr(known, name) + jnp.zeros_like(updates)

    options = {"center": {}, "reference": {"momentum": 0.0, "root": train.root_batch(data, 30)}}[name]
    seen = []

    def aggregator(updates, number, **public):
        seen.append((np.asarray(updates), np.asarray(public[name])))
        return updates[0], None

    method = train.Descent(task, 6, optax.sgd(0.5), public=name, **options)
    train.train(make_run(method, aggregator, attack=mpcjax.attacks.Attack("echo", craft=craft), malicious=2), 2)
    for updates, point in seen:
        np.testing.assert_array_equal(updates[-2:], np.tile(point, (2, 1)))
        assert not np.array_equal(updates[0], point)


def test_resuming_is_exact(make_run, method, tmp_path):
    _, dynamics, aggregator = method
    run = make_run(dynamics, aggregator, attack=mpcjax.attacks.gaussian(0.1), malicious=1, settings={"a": 1})
    whole = train.train(run, 6, metrics=tmp_path / "whole.jsonl")
    files = {"checkpoint": tmp_path / "c", "metrics": tmp_path / "m.jsonl"}
    train.train(run, 3, **files)
    resumed = train.train(run, 6, **files)
    for found, wanted in zip(leaves(resumed), leaves(whole), strict=True):
        np.testing.assert_array_equal(found, wanted)
    kept = ("round", "loss", "accuracy", "test_loss", "applied")
    first, second = ([{k: r[k] for k in kept} for r in metrics.read(tmp_path / n)] for n in ("m.jsonl", "whole.jsonl"))
    assert first == second


def test_resuming_goes_back_to_the_checkpoint(make_run, tmp_path):
    """Rounds after the last checkpoint are done again, and their records replaced."""
    run, files = make_run(), {"checkpoint": tmp_path / "c", "metrics": tmp_path / "m.jsonl"}

    def stop(record):
        if record["round"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(run, 6, checkpoint_every=2, on_round=stop, **files)
    resumed = train.train(run, 6, **files)
    assert [record["round"] for record in resumed.records] == list(range(6))
    np.testing.assert_array_equal(resumed.state["params"], train.train(run, 6).state["params"])


def test_a_finished_run_is_not_run_again(make_run, tmp_path):
    files = {"checkpoint": tmp_path / "c", "metrics": tmp_path / "m.jsonl"}
    done = train.train(make_run(), 3, **files)
    assert train.train(make_run(), 3, **files).records == done.records


def test_a_checkpoint_of_other_settings_is_refused(make_run, tmp_path):
    train.train(make_run(settings={"rate": 1}), 1, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="rate: 1 there, 2 here"):
        train.train(make_run(settings={"rate": 2}), 2, checkpoint=tmp_path / "c")


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_value_that_is_not_finite_changes_nothing(make_run, bad):
    plain = train.plain("mean")

    def aggregator(updates, number, **public):
        value, report = plain(updates, number)
        return (value.at[0].set(bad) if number == 1 else value), report

    run = make_run(train.Descent(make_run().task, 6, optax.adam(0.1), public="center"), aggregator)
    states = [train.train(run, rounds).state for rounds in (1, 2)]
    np.testing.assert_array_equal(states[0]["params"], states[1]["params"])
    np.testing.assert_array_equal(states[0]["center"], states[1]["center"])
    history = train.train(run, 3)
    assert [record["applied"] for record in history.records] == [True, False, True]
    assert np.isfinite(history.state["params"]).all()


def test_a_peer_that_is_not_finite_is_left_out(make_run):
    honest = make_run().method

    class Broken:
        """Peer 0 always sends NaN."""

        init, step, params = honest.init, honest.step, honest.params

        def local(self, *args):
            local = honest.local(*args)
            return local._replace(updates=local.updates.at[0].set(jnp.nan))

    history = train.train(make_run(Broken()), ROUNDS, evaluate_every=ROUNDS)
    assert all(record["applied"] for record in history.records)
    assert history.accuracy > 0.85


def test_accuracy_is_measured_when_asked_and_at_the_end(make_run):
    records = train.train(make_run(), 5, evaluate_every=2).records
    assert [("accuracy" in record) for record in records] == [False, True, False, True, True]


def test_evaluate(task, data):
    logits = task.apply(task.unravel(task.start), (data.test_images.astype(np.float32) - data.mean) / data.std)
    found = train.evaluate(task, task.start, data)
    assert found["accuracy"] == pytest.approx(float((np.argmax(logits, axis=1) == data.test_labels).mean()))
    losses = -np.asarray(jax.nn.log_softmax(logits))[np.arange(len(data.test_labels)), data.test_labels]
    assert found["test_loss"] == pytest.approx(float(losses.mean()), rel=1e-4)


def test_evaluate_survives_nan(task, data):
    found = train.evaluate(task, task.start * jnp.nan, data)
    assert 0 <= found["accuracy"] < 0.6 and np.isnan(found["test_loss"])


def test_fewer_peers_at_once(make_run):
    one = train.train(make_run(peers_at_once=2), 3).state["params"]
    np.testing.assert_allclose(one, train.train(make_run(), 3).state["params"], rtol=1e-4, atol=1e-6)


def test_under_mpc_it_is_the_plain_run(make_run, task):
    """Signs are exact in fixed point: every round is the same, bit for bit but for the sum's own rounding."""
    dynamics, rule = train.Rsa(task, 6, 0.3, 0.02, momentum=0.9), mpcjax.rules.rsa(lam=0.02)
    committee = mpcjax.simulate(parties=3, threshold=1)
    attack = {"attack": mpcjax.attacks.ipm(), "malicious": 1}
    secure = train.train(make_run(dynamics, train.secure(rule, committee, key=bytes(32)), **attack), 3)
    plain = train.train(make_run(dynamics, train.plain(rule), **attack), 3)
    np.testing.assert_allclose(secure.state["params"], plain.state["params"], rtol=1e-6, atol=1e-7)
    for record in secure.records:
        assert record["verified"] and record["failed"] == [] and record["excluded"] == {}
        assert len(record["committee"]) == 3 and record["online_bytes_per_party"] > 0


def test_runs_that_share_method_and_attack_share_programs(make_run, task):
    method, attack = train.Descent(task, 6, optax.sgd(0.5)), mpcjax.attacks.ipm()
    one = make_run(method, train.plain("mean"), attack=attack, malicious=1)
    other = make_run(method, train.plain("krum"), attack=attack, malicious=1)
    assert _compiled(one) == _compiled(other)
    for change in ({"malicious": 2}, {"attack": mpcjax.attacks.foe()}, {"seed": 1}, {"batch": 4}):
        assert _compiled(dataclasses.replace(one, **change))[0] != _compiled(one)[0]
    assert _compiled(make_run(train.Descent(task, 6, optax.sgd(0.1))))[1] != _compiled(one)[1]
