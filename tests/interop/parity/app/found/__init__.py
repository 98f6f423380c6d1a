# SPDX-License-Identifier: BSD-3-Clause
"""A package of the app, whose tasks are found by name (`tasks.py`)."""
