"""The Celery app of the worker."""

import os

from celery import Celery
from celery.signals import worker_ready

from testcelery import settings

app = Celery(settings.APP_NAME)
app.config_from_object(
    {
        **settings.CONFIG,
        "broker_url": os.environ.get("CELERY_BROKER_URL"),
        "result_backend": os.environ.get("CELERY_RESULT_BACKEND", "disabled://"),
    }
)


@worker_ready.connect(weak=False)
def announce(sender, **_):
    """Writes the line that the test waits for: past the log level, and past Celery's capture of standard output."""
    os.write(1, f"testcelery: worker ready {sender.hostname}\n".encode())


# No `from module import *`: a name in a module never replaces one of this module.
for group in settings.MODULES.values():
    for module in group:
        __import__(module)
