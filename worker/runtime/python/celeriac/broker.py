# SPDX-License-Identifier: BSD-3-Clause
"""The app's broker as URLs that the main process understands, whatever ways of saying it the app
uses: kombu reads them, we write them down."""

import random
import ssl
from urllib.parse import quote, urlencode

from celeriac.failure import LoadError

_AMQP = ("amqp", "amqps", "pyamqp", "librabbitmq")
_LOGIN_METHODS = (None, "PLAIN", "AMQPLAIN")
_VERIFY = {"none": "CERT_NONE", "optional": "CERT_OPTIONAL", "required": "CERT_REQUIRED",
           str(int(ssl.CERT_NONE)): "CERT_NONE", str(int(ssl.CERT_OPTIONAL)): "CERT_OPTIONAL",
           str(int(ssl.CERT_REQUIRED)): "CERT_REQUIRED"}
_FILES = {"ca_certs": "ssl_ca_certs", "certfile": "ssl_certfile", "keyfile": "ssl_keyfile"}
# The main process agrees with the server on the newest version that both have.
_NEEDLESS = ("ssl_version", "do_handshake_on_connect", "suppress_ragged_eofs", "server_side")


def check(app):
    """Raise LoadError if the app's broker is none that celeriac can talk to."""
    conf = app.conf
    for url in _listed(conf.broker_read_url) + _listed(conf.broker_write_url):
        _check_transport(url.partition("://")[0] if "://" in url else conf.broker_transport)
    if conf.broker_login_method not in _LOGIN_METHODS:
        raise LoadError(f"celeriac logs in to the broker with PLAIN only, and the app's "
                        f"broker_login_method is {conf.broker_login_method}")


def describe(app):
    """The URLs of the broker that is read from, as the setting broker_url."""
    heartbeat = app.conf.broker_heartbeat
    return {"broker_url": ";".join(
        _urls(app.connection_for_read(heartbeat=heartbeat), app.conf))}


def writes_elsewhere(app):
    """True if the app sends messages to a broker other than the one that it reads from."""
    read, write = (set(_urls(connection, app.conf)) for connection in
                   (app.connection_for_read(), app.connection_for_write()))
    return read != write


def _listed(url):
    if not url:
        return []
    return url.split(";") if isinstance(url, str) else list(url)


def _check_transport(name):
    if name is not None and not isinstance(name, str):
        name = getattr(name, "__qualname__", type(name).__qualname__)
    if name and name not in _AMQP:
        raise LoadError(f"celeriac speaks AMQP only, and the app's broker is "
                        f"{name.partition('+')[0]}: set broker_url to amqp://... (RabbitMQ)")


def _urls(connection, conf):
    """All URLs of a kombu connection, in the order in which they would be tried. Kombu never
    connects by this."""
    urls = [_url(connection, conf)]
    others = list(connection.alt[1:])
    if conf.broker_failover_strategy == "shuffle":
        random.shuffle(others)
    for other in others:
        connection.switch(other)
        urls.append(_url(connection, conf))
    return urls


def _url(connection, conf):
    _check_transport(connection.transport_cls)
    connection.hostname = connection.hostname or "localhost"
    info = connection.info()
    query = dict(_tls(info["ssl"], info["hostname"]))
    for key, name, setting in (
            ("heartbeat", "heartbeat", conf.broker_heartbeat),
            ("connect_timeout", "connection_timeout", conf.broker_connection_timeout)):
        seconds = float(info[key] or 0)
        if seconds != float(setting or 0):
            query[name] = f"{seconds:g}"
    host = info["hostname"]
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    user = ":".join(quote(str(info[key] or ""), safe="") for key in ("userid", "password"))
    scheme = "amqps" if info["ssl"] or connection.transport_cls == "amqps" else "amqp"
    text = f"{scheme}://{user}@{host}:{info['port']}/{quote(info['virtual_host'], safe='')}"
    return f"{text}?{urlencode(query)}" if query else text


def _tls(options, host):
    """The options of broker_use_ssl, or of a URL, as celeriac's query has them."""
    if not options or options is True:
        return
    for key, value in options.items():
        name = key[4:] if key.startswith("ssl_") and key != "ssl_version" else key
        if value is None or name in _NEEDLESS or (name == "server_hostname" and value == host):
            continue
        if name in _FILES:
            yield _FILES[name], str(value)
        elif name == "cert_reqs":
            yield "ssl_cert_reqs", _verify(value)
        else:
            raise LoadError(f"the option {key} of broker_use_ssl is not supported by celeriac, "
                            "which knows ca_certs, certfile, keyfile and cert_reqs")


def _verify(value):
    text = str(int(value)) if isinstance(value, int) else str(value).lower()
    text = text[len("cert_"):] if text.startswith("cert_") else text
    if text not in _VERIFY:
        raise LoadError(f"cert_reqs of broker_use_ssl cannot be {value!r}")
    return _VERIFY[text]
