# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks: run (native tasks) and run_python (a Celery app), and what both share."""
