# SPDX-License-Identifier: BSD-3-Clause
"""A throwaway RabbitMQ that speaks TLS with a certificate of its own; serves as support.rabbitmq does."""

from __future__ import annotations

import subprocess
import sys

from support.process import free_ports
from support.rabbitmq import RabbitMQ
from support.server import serve


class TlsRabbitMQ(RabbitMQ):
    """One node with a TLS listener beside the plain one."""

    def __init__(self) -> None:
        super().__init__()
        self._tls_port = free_ports(1)[0]
        self._certificate = str(self.folder / "certificate.pem")
        key = str(self.folder / "key.pem")
        # librabbitmq compares the host with the common name, and knows no IP addresses in a certificate.
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", self._certificate],
            check=True, capture_output=True, timeout=60)
        self._settings = {
            "listeners.ssl.1": f"127.0.0.1:{self._tls_port}",
            "ssl_options.cacertfile": self._certificate,
            "ssl_options.certfile": self._certificate,
            "ssl_options.keyfile": key,
            "ssl_options.verify": "verify_none",
        }

    @property
    def url(self) -> str:
        return (f"amqps://guest:guest@127.0.0.1:{self._tls_port}/%2f"
                f"?ssl_ca_certs={self._certificate}")


if __name__ == "__main__":
    sys.exit(serve(TlsRabbitMQ, __doc__))
