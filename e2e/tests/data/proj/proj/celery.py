"""An app as Celery's own tutorial has it: with its own name, servers that are not there, and its modules by name."""

from celery import Celery

app = Celery(
    "proj",
    broker="amqp://nobody@broker.invalid//",
    backend="redis://backend.invalid/0",
    include=["proj.tasks"],
)
app.conf.update(result_expires=3600, task_acks_late=False)
