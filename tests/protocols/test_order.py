"""The ordering laws: what would break them raises before anything is sent."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.errors import NonceReuse, OrderError
from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.offline import Demand
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import SEED, runtime
from tests.tamper.material import dealt

SCHEME = Shamir(Field(13), 3, 1)


@pytest.fixture
def rt() -> Runtime:
    return runtime(SCHEME, dealt(SCHEME, jax.random.key(0), Demand(random=2, double=3)))


@pytest.mark.parametrize("opening", [protocols.open_now, protocols.open_many])
def test_no_output_opens_while_a_product_is_unverified(rt: Runtime, opening: Any) -> None:
    product = protocols.multiply(rt, rt.take("random", (1,)), rt.take("random", (1,)))
    sent = len(rt.fabric.ledger.entries)
    with pytest.raises(OrderError, match=r"'?output'? would open with 1 products and 0 openings unverified"):
        opening(rt, product, "output", output=True)
    assert len(rt.fabric.ledger.entries) == sent, "nothing was sent"
    assert rt.fabric.ledger.opened == []


def test_no_output_opens_while_a_bulk_opening_is_unverified(rt: Runtime) -> None:
    many = jnp.zeros((3, 100), jnp.uint32)
    protocols.open_many(rt, many, "masked")
    with pytest.raises(OrderError, match="0 products and 1 openings unverified"):
        protocols.open_now(rt, many, "output", output=True)


def test_masked_values_may_open_before(rt: Runtime) -> None:
    """Openings that are no outputs are what the protocols themselves are made of."""
    x = rt.take("random", (1,))
    protocols.multiply(rt, x, x)
    protocols.open_now(rt, x, "masked")


def test_an_output_after_a_failed_check_is_zeros() -> None:
    """Inside a trace nothing can raise: what an honest party then sends is no share."""

    def open_after(ok: Any) -> Any:
        rt = runtime(SCHEME, None)
        rt.check("king", ok)
        sent: list[Any] = []
        rt.fabric.tamper = lambda message, x: sent.append(x) or x
        protocols.open_now(rt, jnp.full((3, 2), 7, jnp.uint32), "output", output=True)
        return sent[0], rt.fabric.ledger.opened == ["output"]

    after = jax.jit(open_after)
    assert np.all(after(True)[0] == 7)
    assert not np.any(after(False)[0])


def test_randomness_has_each_name_once() -> None:
    stream = Stream.from_seed(SEED).per_row("party", range(3))
    rt = Runtime(SCHEME, Simulated(3), stream, None)  # type: ignore[arg-type]
    peers = protocols.dealers(rt, Stream.from_seed(SEED).per_row("peer", range(2)))
    values = np.zeros((2, 4), np.uint32)
    protocols.deal(rt, values, peers, "message")
    with pytest.raises(NonceReuse, match="message"):
        protocols.deal(rt, values, peers, "message")
    protocols.deal_masks(rt, peers)
    with pytest.raises(NonceReuse, match="mask"):
        protocols.deal_masks(rt, peers)


def test_labels_of_one_phase_differ(rt: Runtime) -> None:
    assert len({rt.fresh("opening") for _ in range(5)}) == 5
