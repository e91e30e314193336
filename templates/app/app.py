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
def when_ready(sender, **_):
    """Announces the worker behind the first turn of its event loop, where it has one.

    Celery calls itself ready just before that. Kombu's Redis transport subscribes to remote control within it, so that a command
    that is sent at once would get lost.
    """
    hub = getattr(sender, "hub", None)
    if hub is None:
        announce(sender.hostname)
    else:
        hub.call_soon(announce, sender.hostname)


def announce(hostname):
    """Writes the line that the test waits for: past the log level, and past Celery's capture of standard output."""
    os.write(1, f"testcelery: worker ready {hostname}\n".encode())


# No `from module import *`: a name in a module never replaces one of this module.
for group in settings.MODULES.values():
    for module in group:
        __import__(module)
