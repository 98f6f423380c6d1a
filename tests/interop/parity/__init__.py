# SPDX-License-Identifier: BSD-3-Clause
"""One Celery app under Celery's worker and under celeriac: a user sees the same."""
