# SPDX-License-Identifier: BSD-3-Clause
"""The body of a message: decompressed, decoded and taken apart as Celery's consumer does it."""

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import hybrid_to_proto2
from kombu.compression import decompress
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.serialization import loads, registry

_PROPERTIES = (  # in AMQP's order, which shows where a task prints them
    "content_type", "content_encoding", "application_headers", "delivery_mode", "priority",
    "correlation_id", "reply_to", "expiration", "message_id", "type", "user_id", "app_id",
)


class Undecodable(Exception):
    """Celery acknowledges such a message and forgets it."""


class Invalid(Exception):
    """Celery rejects such a message."""


def complete(request):
    """Give a request the message's properties as Celery has them: those that it has, and headers."""
    given, headers = request["properties"], request["headers"]
    given["application_headers"] = headers
    request["properties"] = {name: given[name] for name in _PROPERTIES
                             if given.get(name) is not None}


def open_body(headers, properties, body, accept):
    """Positional arguments, keyword arguments, and what belongs to the canvas."""
    compression = headers.get("compression")
    if compression:
        body = _decompress(body, compression)
    payload = _decode(body, properties, accept)
    if type(payload) is list and len(payload) == 3:
        args, kwargs, embed = payload
    else:
        args, kwargs, embed = _take_apart(payload, headers)
    if embed is not None and not isinstance(embed, dict):
        raise Invalid(f"the third element of the body is no mapping but {type(embed).__name__}")
    return args, kwargs, embed


def _decode(body, properties, accept):
    content_type = properties.get("content_type")
    if content_type in accept and body:
        try:  # what kombu would do, without its care for errors, which half of the time goes into
            return registry._decoders[content_type](body)
        except Exception:
            pass
    try:
        return loads(body, content_type, properties.get("content_encoding"), accept=accept)
    except ContentDisallowed as error:
        raise Invalid(str(error)) from error
    except DecodeError as error:
        raise Undecodable(repr(error)) from error


def _decompress(body, compression):
    try:
        return decompress(body, compression)
    except Exception as error:  # whatever the codec of that name raises
        raise Undecodable(f"compression {compression!r}: {error!r}") from error


class _Headers:
    """As much of a message as Celery's conversion looks at."""

    def __init__(self, headers):
        self.headers = headers


def _take_apart(payload, headers):
    """What is no list of three: a tuple (pickle, YAML), or protocol 1 under a header that names the
    task."""
    if isinstance(payload, (list, tuple)) and len(payload) == 3:
        return payload
    if not isinstance(payload, dict) or "args" not in payload:
        raise Invalid(f"the body is no task's: {type(payload).__name__}"
                      + (f" of {len(payload)}" if isinstance(payload, (list, tuple)) else ""))
    try:
        triple, merged, _, _ = hybrid_to_proto2(_Headers(headers), payload)
    except InvalidTaskError as error:
        raise Invalid(str(error)) from error
    headers.update(merged)
    return triple
