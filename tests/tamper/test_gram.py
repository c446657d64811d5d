"""A wrong inner product among those of all pairs of rows is caught by the check of products, and by no other."""

from __future__ import annotations

import pytest

from tests.tamper.attack import only
from tests.tamper.guards import NOTHING_OFF, _additive

WHERE = {
    "a king": _additive("gram", label="gram#1/from king"),
    "a share": _additive("gram", label="gram#1/to king"),
}


@pytest.mark.parametrize("place", WHERE)
def test_a_wrong_inner_product_is_caught(place: str) -> None:
    guilty = WHERE[place]
    assert not guilty(NOTHING_OFF)
    assert guilty(only("product"))
