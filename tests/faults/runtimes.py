# SPDX-License-Identifier: BSD-3-Clause
"""Which runtime a fault test runs with: tasks in C, unless it says that it is for both."""

from __future__ import annotations

import pytest

both_runtimes = pytest.mark.parametrize("fault_worker", ["native", "python"], indirect=True)
python_runtime = pytest.mark.parametrize("fault_worker", ["python"], indirect=True)
