"""One contract for every attack of the catalogue, whatever its formula."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.attacks import ATTACKS, Attack, mimic

PEERS, BAD = 7, 2
KEY = jax.random.key(5)


def matrix(dtype=jnp.float32):
    return jax.random.normal(jax.random.key(1), (PEERS, 11), jnp.float32).astype(dtype)


def tree():
    rows = matrix()
    return {"w": rows[:, :8].reshape(PEERS, 2, 4), "b": (rows[:, 8:10], rows[:, 10])}


@pytest.fixture(params=sorted(ATTACKS))
def attack(request) -> Attack:
    return ATTACKS[request.param]()


def test_name_is_the_catalogues(attack):
    assert ATTACKS[attack.name]().name == attack.name


def test_changes_something(attack):
    assert {attack.craft, attack.relabel, attack.poison} != {None}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_shape_and_dtype_stay(attack, dtype):
    attacked = attack(matrix(dtype), BAD, key=KEY)
    assert attacked.shape == (PEERS, 11)
    assert attacked.dtype == dtype


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_honest_rows_are_untouched_and_others_change(attack, dtype):
    rows = matrix(dtype)
    attacked = attack(rows, BAD, key=KEY)
    np.testing.assert_array_equal(np.asarray(attacked[:-BAD]), np.asarray(rows[:-BAD]))
    changed = np.any(np.asarray(attacked[-BAD:] != rows[-BAD:]), axis=1)
    assert changed.all() == (attack.craft is not None)


def test_honest_rows_that_are_not_finite_come_back(attack):
    rows = matrix().at[0, 3].set(jnp.nan).at[1, 4].set(-jnp.inf)
    attacked = attack(rows, BAD, key=KEY)
    np.testing.assert_array_equal(np.asarray(attacked[:-BAD]), np.asarray(rows[:-BAD]))


def test_malicious_rows_that_are_not_finite_do_not_spread(attack):
    """What an attacker held before matters only where the formula says so."""
    rows = matrix().at[-1, 2].set(jnp.nan)
    attacked = attack(rows, BAD, key=KEY)
    assert np.isfinite(np.asarray(attacked[:-1])).all()


def test_input_is_not_overwritten(attack):
    rows = np.asarray(matrix()).copy()
    before = rows.copy()
    attack(rows, BAD, key=KEY)
    np.testing.assert_array_equal(rows, before)


def test_nobody_malicious_is_the_identity(attack):
    rows = matrix()
    for nobody in (0, np.zeros(PEERS, bool)):
        np.testing.assert_array_equal(attack(rows, nobody, key=KEY), rows)
    labels = jnp.arange(PEERS * 3).reshape(PEERS, 3) % 10
    np.testing.assert_array_equal(attack.labels(labels, 0), labels)


def test_a_count_means_the_last_peers(attack):
    mask = np.arange(PEERS) >= PEERS - BAD
    np.testing.assert_array_equal(attack(matrix(), BAD, key=KEY), attack(matrix(), mask, key=KEY))


def test_order_of_peers_does_not_matter(attack):
    order = np.asarray([3, 5, 0, 6, 1, 2, 4])
    mask = np.arange(PEERS) >= PEERS - BAD
    straight = np.asarray(attack(matrix(), mask, key=KEY))
    if attack.name == "mimic":  # names an honest peer: the same one is the second of them in the new order
        attack = mimic(peer=1)
    permuted = np.asarray(attack(matrix()[order], mask[order], key=KEY))
    if attack.needs_key:  # which row gets which numbers follows the row
        straight, permuted = straight[:-BAD], permuted[~mask[order]][np.argsort(order[~mask[order]])]
        np.testing.assert_array_equal(permuted, straight)
    else:
        np.testing.assert_allclose(permuted, straight[order], rtol=1e-5, atol=1e-6)


def test_jit_gives_the_same(attack):
    run = jax.jit(lambda rows, mask, key: attack(rows, mask, key=key))
    mask = np.arange(PEERS) >= PEERS - BAD
    np.testing.assert_allclose(run(matrix(), mask, KEY), attack(matrix(), mask, key=KEY), rtol=1e-5, atol=1e-6)
    static = jax.jit(lambda rows, key: attack(rows, BAD, key=key))
    np.testing.assert_allclose(static(matrix(), KEY), attack(matrix(), BAD, key=KEY), rtol=1e-6, atol=1e-6)


def test_vmap_and_scan(attack):
    stacked = jnp.stack([matrix(), 2 * matrix()])
    one_by_one = jnp.stack([attack(rows, BAD, key=KEY) for rows in stacked])
    together = jax.vmap(lambda rows: attack(rows, BAD, key=KEY))(stacked)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-5, atol=1e-5)
    _, scanned = jax.lax.scan(lambda carry, rows: (carry, attack(rows, BAD, key=KEY)), None, stacked)
    np.testing.assert_allclose(scanned, one_by_one, rtol=1e-5, atol=1e-5)


def test_pytree_gives_what_the_matrix_gives(attack):
    attacked = attack(tree(), BAD, key=KEY)
    assert jax.tree.structure(attacked) == jax.tree.structure(tree())
    assert [leaf.shape for leaf in jax.tree.leaves(attacked)] == [leaf.shape for leaf in jax.tree.leaves(tree())]
    # the leaves in the tree's own order are columns 8, 9, 10 and then 0 to 7
    columns = np.r_[8:11, 0:8]
    flat = np.concatenate([np.asarray(leaf).reshape(PEERS, -1) for leaf in jax.tree.leaves(attacked)], axis=1)
    np.testing.assert_allclose(flat, attack(matrix()[:, columns], BAD, key=KEY), rtol=1e-6, atol=1e-6)


def test_mixed_dtypes_in_a_pytree(attack):
    mixed = {"a": matrix(jnp.bfloat16), "b": matrix(jnp.float32)}
    attacked = attack(mixed, BAD, key=KEY)
    assert {name: leaf.dtype for name, leaf in attacked.items()} == {"a": jnp.bfloat16, "b": jnp.float32}


def test_same_key_same_result_and_no_global_state(attack):
    np.random.seed(1)
    first = attack(matrix(), BAD, key=KEY)
    np.random.seed(2)
    np.testing.assert_array_equal(ATTACKS[attack.name]()(matrix(), BAD, key=KEY), first)


def test_key_is_asked_for_only_where_it_is_needed(attack):
    if attack.needs_key:
        with pytest.raises(ValueError, match="key="):
            attack(matrix(), BAD)
        assert not np.array_equal(attack(matrix(), BAD, key=KEY), attack(matrix(), BAD, key=jax.random.key(6)))
    else:
        attack(matrix(), BAD)


def test_labels_of_honest_peers_are_untouched(attack):
    labels = jnp.asarray(np.arange(PEERS * 4).reshape(PEERS, 4) % 10, jnp.int32)
    poisoned = attack.labels(labels, BAD)
    assert poisoned.dtype == labels.dtype
    np.testing.assert_array_equal(poisoned[:-BAD], labels[:-BAD])
    assert bool((poisoned[-BAD:] != labels[-BAD:]).all()) == (attack.relabel is not None)


def test_data_of_honest_peers_is_untouched(attack):
    images = jnp.asarray(np.random.default_rng(0).integers(0, 200, (PEERS, 5, 4, 4, 1)), jnp.uint8)
    labels = jnp.ones((PEERS, 5), jnp.int32)
    stamped, poisoned = jax.jit(lambda images, labels: attack.data(images, labels, BAD))(images, labels)
    assert (stamped.dtype, poisoned.dtype) == (images.dtype, labels.dtype)
    np.testing.assert_array_equal(stamped[:-BAD], images[:-BAD])
    np.testing.assert_array_equal(poisoned[:-BAD], labels[:-BAD])
    changed = [bool((new[-BAD:] != old[-BAD:]).any()) for new, old in ((stamped, images), (poisoned, labels))]
    assert changed == [attack.poison is not None, attack.poison is not None or attack.relabel is not None]
    np.testing.assert_array_equal(attack.data(images, labels, 0)[0], images)
    np.testing.assert_array_equal(attack.data(images, labels, 0)[1], labels)


def test_a_center_may_be_given_as_one_row(attack):
    """Whoever has no use for it ignores it; a pytree is taken like the matrix."""
    rows = attack(matrix(), BAD, key=KEY, center=jnp.ones(11))
    center = {"w": jnp.ones((2, 4)), "b": (jnp.ones(2), jnp.ones(()))}
    whole = attack(tree(), BAD, key=KEY, center=center)
    assert jax.tree.structure(whole) == jax.tree.structure(tree())
    if not attack.needs_key:
        np.testing.assert_allclose(whole["b"][1], rows[:, 10], rtol=1e-4, atol=1e-5)
    if attack.craft is not None:
        with pytest.raises(ValueError, match="center has shape"):
            attack(matrix(), BAD, key=KEY, center=jnp.ones(10))


@pytest.mark.parametrize("count", [-1, PEERS, PEERS + 1])
def test_counts_out_of_range_are_refused(attack, count):
    with pytest.raises(ValueError, match=rf"malicious={count}: .*0\.\.{PEERS - 1}"):
        attack(matrix(), count, key=KEY)


@pytest.mark.parametrize("mask", [np.ones(PEERS + 1, bool), np.ones(PEERS, np.int32), True, 1.0])
def test_bad_masks_are_refused(attack, mask):
    with pytest.raises(ValueError, match=r"bool mask \[7\]"):
        attack(matrix(), mask, key=KEY)


def test_all_malicious_is_refused(attack):
    with pytest.raises(ValueError, match="one honest peer"):
        attack(matrix(), np.ones(PEERS, bool), key=KEY)


def test_leaves_need_the_same_leading_axis(attack):
    with pytest.raises(ValueError, match="leading ax"):
        attack({"a": jnp.ones((3, 2)), "b": jnp.ones((4, 2))}, 1, key=KEY)
    with pytest.raises(ValueError, match="leading ax"):
        attack({"a": jnp.ones((3, 2)), "b": jnp.ones(())}, 1, key=KEY)


def test_catalogue_is_read_only():
    with pytest.raises(TypeError):
        ATTACKS["mine"] = ATTACKS["ipm"]  # pyright: ignore[reportIndexIssue]
