# SPDX-License-Identifier: BSD-3-Clause
"""The payment service, which here is only pretended."""


class Unreachable(Exception):
    """The service did not answer; trying again may help."""


class Declined(Exception):
    """The service answered no; trying again is no use."""


class Gateway:
    """A session with the service, opened once in each process of the pool."""

    limit = 500

    def charge(self, order, amount, attempt):
        """Take the money: odd orders get through at the third attempt, even ones at once."""
        if amount < 0:
            raise Unreachable(f"order {order}: no route")
        if amount > self.limit:
            raise Declined(f"order {order}: {amount} is more than {self.limit}")
        if order % 2 and attempt < 2:
            raise Unreachable(f"order {order}: timeout {attempt + 1}")
        return {"order": order, "paid": amount, "attempts": attempt + 1}
