# SPDX-License-Identifier: BSD-3-Clause
"""A system check that remembers that it ran: Celery's worker runs all checks when it starts."""

from django.core.checks import register

runs = []


@register()
def remember(app_configs, **_):
    """Finds nothing, ever."""
    runs.append(app_configs)
    return []
