"""Offline phase: correlated randomness, counted at trace time, made and verified before any input is touched."""

from mpcjax.offline.demand import Counter, Demand, Stock
from mpcjax.offline.pieces import prepare
from mpcjax.offline.preprocess import count

__all__ = ["Counter", "Demand", "Stock", "count", "prepare"]
