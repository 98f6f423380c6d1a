# SPDX-License-Identifier: BSD-3-Clause
"""An order desk: what a Celery app of every day looks like."""
