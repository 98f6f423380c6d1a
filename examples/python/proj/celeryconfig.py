# SPDX-License-Identifier: BSD-3-Clause
"""Settings. CELERY_BROKER_URL and CELERY_RESULT_BACKEND, which Celery reads itself, win."""

from kombu import Exchange, Queue

broker_url = "amqp://guest:guest@localhost//"
result_backend = "rpc://"
result_expires = 3600
result_extended = True
accept_content = ["json", "msgpack"]
timezone = "Europe/Berlin"

task_default_queue = "orders"
task_queues = [
    Queue("orders", Exchange("orders"), routing_key="orders"),
    Queue("reports", Exchange("reports", type="topic"), routing_key="report.#"),
]
task_routes = {"proj.tasks.export": {"queue": "reports", "routing_key": "report.export"}}
