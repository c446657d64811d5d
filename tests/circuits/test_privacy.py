"""What a comparison opens: all masks enumerated, every opened value uniform whatever the secret.

Two kinds of values open. c = 2x + r hides x behind r: shown by running every x with every r. The openings inside
products hide z behind one value R of a double sharing each: shown by running twice with different R, chosen at random;
every opened value is z - R with the same z, so no R is used twice and none enters any other opening. As the R are
uniform and independent, all openings together are then uniform and independent of x and of c.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import circuits, protocols
from mpcjax.circuits import Mask, bits
from mpcjax.errors import Abort
from mpcjax.fabric import Simulated
from mpcjax.offline import Demand, count
from tests.circuits._stock import QUICK, HostDealer, bits_of, runtime, scheme_of, whole_field, with_every_mask

CIRCUITS = {
    "is_negative": circuits.is_negative,
    "is_zero": circuits.is_zero,
    "decompose": circuits.decompose,
    "truncate": lambda rt, x, mask: circuits.truncate(rt, x, 2, 15, mask=mask),
}


def demand_of(scheme: Any, circuit: Any, inputs: list[Any]) -> Demand:
    zeros = [scheme.field.zeros((scheme.parties, *np.shape(x))) for x in inputs]
    return count(lambda rt: circuit(rt, *zeros), scheme)[0]


def listen(scheme: Any, circuit: Any, inputs: list[Any], **given: Any) -> dict[str, np.ndarray]:
    """The values that kings told all, by label, in order; `inputs` and `given` are values, not shares."""
    dealer = HostDealer(scheme)
    shares = [jnp.asarray(dealer.share(x)) for x in inputs]

    def program(stock: Any, shares: list[Any]) -> dict[str, Any]:
        heard = {}

        def hear(message: Any, values: Any) -> Any:
            if message.kind == "broadcast":
                assert message.label.endswith("/from king")
                heard[message.label] = values.reshape(-1)
            return values

        circuit(runtime(scheme, stock, Simulated(scheme.parties, hear)), *shares)
        return heard

    stock = dealer.stock(demand_of(scheme, circuit, inputs), **given)
    heard = jax.jit(program, compiler_options=QUICK)(stock, shares)  # in the order of labels as text
    in_order = sorted(heard, key=lambda label: int(label.partition("#")[2].partition("/")[0]))
    return {label: np.asarray(heard[label]).astype(object) for label in in_order}


@pytest.mark.parametrize("name", CIRCUITS)
def test_opened_values_are_uniform(name):
    scheme = scheme_of(5)
    p = scheme.field.modulus
    x, r, r_bits = with_every_mask(scheme, whole_field(scheme))
    inputs = [x, r, r_bits]

    def circuit(rt, x, r, r_bits):
        return CIRCUITS[name](rt, x, mask=Mask(r, r_bits))

    amount = demand_of(scheme, circuit, inputs).double
    pads, sums, masked = [HostDealer(scheme, seed).values(amount) for seed in (1, 2)], [], []
    for pad in pads:
        heard = listen(scheme, circuit, inputs, double=pad)
        products = [values for label, values in heard.items() if label.startswith(("multiply", "dot"))]
        (other,) = (values for label, values in heard.items() if not label.startswith(("multiply", "dot")))
        masked.append(other[: len(x)])
        sums.append(unmasked(products, pad, p, len(x)))
    assert (pads[0] != pads[1]).mean() > 0.9
    assert (sums[0] == sums[1]).all()
    assert (masked[0] == masked[1]).all()
    for row in masked[0].reshape(p, p):  # one secret, all masks
        assert sorted(row) == list(range(p))


def unmasked(products: list[np.ndarray], pads: np.ndarray, p: int, batch: int) -> np.ndarray:
    """Opened values plus the pads taken for them, in order; kings pad each call to a multiple of their number."""
    found, start = [], 0
    for values in products:
        size = len(values) // batch * batch
        found.append((values[:size] + pads[start : start + size]) % p)
        start += size
    assert start == len(pads)
    return np.concatenate(found)


def test_rejecting_masks_reveals_only_rejection(monkeypatch):
    """Every pattern of bits with every blinding factor: what opens is 0 for a rejected candidate, else uniform."""
    scheme = scheme_of(5)
    p, count_ = scheme.field.modulus, 31
    patterns, blinds = (v.ravel().astype(object) for v in np.mgrid[0:32, 0:p])
    monkeypatch.setattr(bits, "spares", lambda amount, failure: len(patterns) - amount)
    monkeypatch.setattr(bits, "verify", lambda rt: None)

    def circuit(rt):
        return circuits.solved_bits(rt, (count_,)).bits

    heard = listen(scheme, circuit, [], bit=bits_of(patterns, 5).ravel(), random=blinds)
    (opened,) = (values[: len(patterns)] for label, values in heard.items() if label.startswith("mask"))
    by_pattern = opened.reshape(32, p)
    assert (by_pattern[31] == 0).all()
    for row in by_pattern[:31]:
        assert row[0] == 0 and sorted(row[1:]) == list(range(1, p))


def test_nothing_opens_under_a_short_mask_before_what_led_to_it_is_verified():
    """An error in a product leads out of the range that a short mask hides: 2^56 w would show w."""
    scheme, labels = scheme_of(61), []

    def king(message, x):
        labels.append(message.label)
        first = message.label.endswith("from king") and len([name for name in labels if "from king" in name]) == 1
        return scheme.field.add(x, 1 << 56) if first else x

    def circuit(rt, x, y, w):
        z = protocols.multiply(rt, protocols.multiply(rt, x, y), w)
        return circuits.truncate(rt, z, 4, 2**12)

    dealer = HostDealer(scheme)
    shares = [jnp.asarray(dealer.share(np.array([value]))) for value in (3, 5, 7)]
    demand, _ = count(lambda rt: circuit(rt, *shares), scheme)
    with pytest.raises(Abort, match="product"):
        circuit(runtime(scheme, dealer.stock(demand), Simulated(3, king)), *shares)
    assert labels and not any(label.startswith("truncate") for label in labels)
