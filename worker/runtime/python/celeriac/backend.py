# SPDX-License-Identifier: BSD-3-Clause
"""Where results go."""

from celeriac import broker

_OUR_SERIALIZERS = ("json", "msgpack")


def leaves_results_to_us(app):
    """True if the main process can publish what the app's backend would: plain rpc, over the only
    broker that the main process knows."""
    from celery.backends.rpc import RPCBackend
    return (type(app.backend) is RPCBackend and app.backend.serializer in _OUR_SERIALIZERS
            and not broker.writes_elsewhere(app))


def describe(app):
    """For people, without passwords."""
    try:
        return app.backend.as_uri()
    except Exception:  # a backend of the app's own; Celery's banner is no reason to stop
        return type(app.backend).__name__
