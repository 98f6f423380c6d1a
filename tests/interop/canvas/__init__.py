# SPDX-License-Identifier: BSD-3-Clause
"""Canvas: every shape, under every mix of workers, and what becomes of it."""
