"""Secret sharing schemes."""

from mpcjax.sharing._deal import deal_rows, expanding, share_to_others
from mpcjax.sharing.shamir import Shamir

__all__ = ["Shamir", "deal_rows", "expanding", "share_to_others"]
