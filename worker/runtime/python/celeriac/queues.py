# SPDX-License-Identifier: BSD-3-Clause
"""The queues that the worker consumes from, as kombu would declare them."""

from collections.abc import Mapping

from kombu.transport.base import to_rabbitmq_queue_arguments

from celeriac.failure import LoadError

_LIMITS = ("expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")
_BUILT_IN = "amq."  # exchanges that are there already and that nobody may declare


def describe(app):
    """All queues of app.amqp.queues that were not deselected."""
    return [_queue(queue) for queue in app.amqp.queues.consume_from.values()]


def describe_others(app):
    """The rest of them: they count where Celery looks for quorum queues."""
    queues = app.amqp.queues
    consumed = {queue.name for queue in queues.consume_from.values()}
    return [_queue(queue) for queue in queues.values() if queue.name not in consumed]


def _queue(queue):
    arguments = to_rabbitmq_queue_arguments(
        queue.queue_arguments or {}, **{name: getattr(queue, name) for name in _LIMITS})
    exchange = queue.exchange
    described = {
        "name": queue.name,
        "routing_key": queue.routing_key or "",
        "durable": bool(queue.durable),
        "auto_delete": bool(queue.auto_delete),
        "exclusive": bool(queue.exclusive),
        "no_declare": bool(queue.no_declare),
        "arguments": _table(queue.name, arguments),
        "binding_arguments": _table(queue.name, queue.binding_arguments),
        "consumer_arguments": _table(queue.name, queue.consumer_arguments),
        "bindings": [_binding(queue.name, binding) for binding in queue.bindings or ()],
    }
    described.update(_exchange(queue.name, exchange))
    return described


def _exchange(queue, exchange):
    if not exchange or not exchange.name:
        return {"exchange": "", "exchange_type": "direct", "exchange_durable": True,
                "exchange_auto_delete": False, "exchange_no_declare": True,
                "exchange_arguments": None}
    return {
        "exchange": exchange.name,
        "exchange_type": exchange.type,
        "exchange_durable": bool(exchange.durable),
        "exchange_auto_delete": bool(exchange.auto_delete),
        "exchange_no_declare": bool(exchange.no_declare or exchange.passive)
        or exchange.name.startswith(_BUILT_IN),
        "exchange_arguments": _table(queue, exchange.arguments),
    }


def _binding(queue, binding):
    return {"routing_key": binding.routing_key or "",
            "arguments": _table(queue, binding.arguments), **_exchange(queue, binding.exchange)}


def _table(queue, arguments):
    """An AMQP table; None if there is nothing in it."""
    if not arguments:
        return None
    return {str(name): _field(queue, name, value) for name, value in arguments.items()}


def _field(queue, name, value):
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _field(queue, name, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_field(queue, name, item) for item in value]
    raise LoadError(f"the argument {name} of the queue {queue} is a {type(value).__name__}, "
                    "which celeriac cannot send to the broker")
