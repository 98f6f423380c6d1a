# SPDX-License-Identifier: BSD-3-Clause
"""A shop: orders in a database, and tasks that work on them."""
