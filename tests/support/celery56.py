# SPDX-License-Identifier: BSD-3-Clause
"""The newest Celery, where there is one: CELERY56_PYTHON names its Python."""

from __future__ import annotations

import os

import pytest

PYTHON = os.environ.get("CELERY56_PYTHON", "")

needs_celery56 = pytest.mark.skipif(
    not os.path.exists(PYTHON), reason="CELERY56_PYTHON names no Python with Celery 5.5 or newer")
