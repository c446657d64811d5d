"""The trigger, whose images carry it, and how much the poisoned update counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.attacks import Trigger, backdoor

PEERS, BAD = 5, 2
IMAGES = np.random.default_rng(0).integers(0, 200, (PEERS, 10, 6, 4, 2)).astype(np.uint8)
LABELS = np.random.default_rng(1).integers(1, 4, (PEERS, 10)).astype(np.int32)


def test_stamp():
    stamped = np.asarray(Trigger(size=2).stamp(jnp.asarray(IMAGES)))
    assert stamped.dtype == np.uint8
    expected = IMAGES.copy()
    expected[..., 4:, 2:, :] = 255
    np.testing.assert_array_equal(stamped, expected)
    np.testing.assert_array_equal(Trigger(size=2).stamp(IMAGES[0, 0]), expected[0, 0])


def test_stamp_takes_numpy_and_leaves_it_alone():
    before = IMAGES.copy()
    Trigger().stamp(IMAGES)
    np.testing.assert_array_equal(IMAGES, before)


@pytest.mark.parametrize(("share", "count"), [(20 / 64, 4), (0.01, 1), (0.5, 5), (1.0, 10)])
def test_a_share_of_the_malicious_batches_is_poisoned(share, count):
    trigger = Trigger(target=7, size=1, value=9)
    images, labels = backdoor(share=share, trigger=trigger).data(jnp.asarray(IMAGES), jnp.asarray(LABELS), BAD)
    expected, classes = IMAGES.copy(), LABELS.copy()
    expected[-BAD:, :count, -1, -1, :] = 9
    classes[-BAD:, :count] = 7
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, classes)


def test_a_traced_mask():
    mask = np.asarray([True, False, True, False, False])
    poisoned = jax.jit(lambda images, labels, mask: backdoor().data(images, labels, mask))(IMAGES, LABELS, mask)
    for found, wanted in zip(poisoned, backdoor().data(jnp.asarray(IMAGES), jnp.asarray(LABELS), mask), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_boost():
    rows = np.random.default_rng(2).normal(size=(PEERS, 3)).astype(np.float32)
    mask = np.arange(PEERS) >= PEERS - BAD
    for boost, expected in ((None, PEERS / BAD), (1.0, 1.0), (4.0, 4.0)):
        for found in (backdoor(boost)(rows, BAD), jax.jit(backdoor(boost))(rows, mask)):
            np.testing.assert_allclose(found[-BAD:], expected * rows[-BAD:], rtol=1e-6)


def test_the_boost_replaces_the_mean():
    """Where the honest peers have converged, the plain mean is what the malicious ones wanted."""
    rows = np.zeros((PEERS, 3), np.float32)
    rows[-BAD:] = [[1, 2, 3], [3, 2, 1]]
    np.testing.assert_allclose(mpcjax.rules.mean().plain(backdoor()(jnp.asarray(rows), BAD)), 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: backdoor(boost=0.0), "boost=0.0"),
        (lambda: backdoor(share=0.0), "share=0.0"),
        (lambda: backdoor(share=1.5), "share=1.5"),
        (lambda: Trigger(target=-1), "target=-1"),
        (lambda: Trigger(size=0), "size=0"),
        (lambda: Trigger(value=float("inf")), "value=inf"),
        (lambda: Trigger(value=300.0).stamp(IMAGES), r"value=300.0: .*uint8 hold 0\.\.255"),
        (lambda: Trigger(size=5).stamp(IMAGES), "size=5 does not fit"),
        (lambda: Trigger().stamp(IMAGES[0, 0, 0]), "size=3 does not fit"),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
