# SPDX-License-Identifier: BSD-3-Clause
"""celeriac, Debian's Celery and a real RabbitMQ: what one sends, the other understands."""
