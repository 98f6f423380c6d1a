# SPDX-License-Identifier: BSD-3-Clause
"""Makes the fixtures of support/fixtures.py known to every test folder."""

pytest_plugins = ["support.fixtures"]
