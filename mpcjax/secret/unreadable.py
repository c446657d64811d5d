"""What needs the value of a secret, and is refused with what to use instead."""

from __future__ import annotations

from typing import Any, NoReturn

CHOOSE = (
    "Python control flow cannot depend on it. Compute both sides and choose with mpcjax.secret.where(condition, x, y), "
    "or with mpcjax.secret.maximum, minimum, relu, which choose without revealing the condition"
)


class Unreadable:
    """Numbers without a value in this program: nothing turns them into Python or NumPy ones."""

    def __bool__(self) -> bool:
        raise TypeError(f"a secret has no truth value (if, while, and, or, not, assert): {CHOOSE}")

    def _number(self, kind: str) -> NoReturn:
        raise TypeError(
            f"a secret has no value to make {kind} of: {CHOOSE}. What may be public is computed in Rule.finish, from the "
            "opened result"
        )

    def __int__(self) -> int:
        self._number("an int")

    def __float__(self) -> float:
        self._number("a float")

    def __complex__(self) -> complex:
        self._number("a complex number")

    def __index__(self) -> int:
        raise TypeError(
            "a secret is no index or count: it would be public. Select with a product, mpcjax.secret.argmax(x) @ rows, "
            "and give counts as public numbers"
        )

    def __floordiv__(self, other: Any) -> NoReturn:
        raise TypeError(
            "// and % of a secret: legal is x / y of a public y, or mpcjax.secret.divide(x, y, least=); mpcjax.secret.rescale("
            "x, 0) rounds to the nearest whole number"
        )

    __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __floordiv__

    def __xor__(self, other: Any) -> NoReturn:
        raise TypeError("^ of secrets: of two bits x and y write (x | y) & ~(x & y)")

    __rxor__ = __xor__

    def __round__(self, digits: Any = None) -> Any:
        raise TypeError("round of a secret: use mpcjax.secret.rescale(x, bits)")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "a secret has no value to make a NumPy or JAX array of: compute with operators and the functions of "
            "mpcjax.secret, and in Rule.finish with the opened result"
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} of a secret: {instead(function.__name__)}")

    def __iter__(self) -> Any:
        raise TypeError(
            "iteration over a secret: compute with all of it, by operators and the functions of mpcjax.secret; or take "
            "a few rows by x[0], x[1]"
        )

    def __contains__(self, value: object) -> bool:
        raise TypeError(
            "in: the answer would be public. Use mpcjax.secret.equal(x, value), a secret bit for each number"
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("a secret does not change: use mpcjax.secret.where, concatenate or stack")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a secret has no attribute {name!r}: {instead(name)}")

    def __eq__(self, other: object) -> bool:
        raise TypeError(
            "secrets are not compared with == or !=: the result would be public. mpcjax.secret.equal(x, y) is a secret bit"
        )

    __hash__ = object.__hash__


def instead(name: str) -> str:
    """What to use for a function `name` of NumPy or JAX."""
    import mpcjax.secret as functions  # by then complete

    there = [other for other in functions.__all__ if other[0].islower()]
    if name in there:
        return f"use mpcjax.secret.{name}"
    return f"legal are operators, indexing, and of mpcjax.secret {', '.join(there)}"
