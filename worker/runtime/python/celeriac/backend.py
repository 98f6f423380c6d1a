# SPDX-License-Identifier: BSD-3-Clause
"""Where results go."""

import sys

from celeriac import broker

_OUR_SERIALIZERS = ("json", "msgpack")


def keep_trying():
    """Where the app says nothing, a result store that is away for a while costs no result: the
    child waits for it, as the main process does with results of native tasks."""
    from celery.app import defaults
    defaults.DEFAULTS["result_backend_always_retry"] = True


def tell_passing_errors():
    """Celery 5.2's Redis backend does not say which errors are worth another try: none would be."""
    from celery.backends.base import Backend
    redis = sys.modules.get("celery.backends.redis")
    if redis and redis.RedisBackend.exception_safe_to_retry is Backend.exception_safe_to_retry:
        redis.RedisBackend.exception_safe_to_retry = (
            lambda self, exc: isinstance(exc, self.connection_errors))


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
