# SPDX-License-Identifier: BSD-3-Clause
"""Where results go."""

_OUR_SERIALIZERS = ("json", "msgpack")


def leaves_results_to_us(app):
    """True if the main process can publish what the app's backend would: plain rpc."""
    from celery.backends.rpc import RPCBackend
    return type(app.backend) is RPCBackend and app.backend.serializer in _OUR_SERIALIZERS


def describe(app):
    """For people, without passwords."""
    try:
        return app.backend.as_uri()
    except Exception:  # a backend of the app's own; Celery's banner is no reason to stop
        return type(app.backend).__name__
