# SPDX-License-Identifier: BSD-3-Clause
"""The rows of the life-cycle table, with Celery's worker and with celeriac."""
