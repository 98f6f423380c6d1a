# SPDX-License-Identifier: BSD-3-Clause
"""celeriac beside Debian's Celery and a real RabbitMQ: what one sends, the other must understand."""
