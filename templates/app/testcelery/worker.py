"""What every app of a worker gets: settings, URLs, modules, and the line that says that it is ready."""

import json
import os
import re
from importlib import import_module

from celery import _state
from celery.app.utils import HIDDEN_SETTINGS
from celery.signals import celeryd_init, worker_ready

from testcelery import settings

# What stands between the user's name and the host of a URL, wherever in a text.
URL_PASSWORD = re.compile(r"://([^\s/:@]*):[^\s@]*@")


def prepare(app):
    """Makes an app ready for the test, whoever has built it."""
    # All of its modules are imported with this app as the current one, whatever other apps they make.
    app.set_default()
    app.set_current()
    broker = os.environ.get("CELERY_BROKER_URL")
    app.conf.update(
        settings.CONFIG,
        broker_url=broker,
        broker_read_url=broker,
        broker_write_url=broker,
        result_backend=os.environ.get("CELERY_RESULT_BACKEND", "disabled://"),
    )
    # No `from module import *`: a name in a module never replaces one of the app's.
    for group in settings.MODULES.values():
        for module in group:
            import_module(module)
    app.set_current()
    # By then the worker has imported what the app's own settings name, too.
    celeryd_init.connect(when_initialized, weak=False)
    worker_ready.connect(when_ready, weak=False)


def when_initialized(instance, conf, **_):
    """Behind the imports of the worker, before its pool starts."""
    adopt_tasks(instance.app)
    print_changes(conf)


def complete(app):
    """Does to an app what a worker does before it starts, for code that runs beside the worker."""
    app.loader.import_default_modules()
    adopt_tasks(app)


def adopt_tasks(app):
    """Registers the tasks of the other apps that the modules have made.

    Celery shares tasks between apps by itself, but for those with ``shared=False`` and those of ``register_task``.
    """
    for other in list(_state._get_active_apps()):
        if other is app or not (other.finalized or other.autofinalize):
            continue
        for name, task in list(other.tasks.items()):
            if name not in app.tasks:
                # The class has its app as an attribute of its own, which `bind` does not reach.
                type(task).app = app
                task.bind(app)
                app.tasks.register(task)


def print_changes(conf):
    """Says what the worker was told, without what may be secret."""
    if settings.CONFIG:
        changes = {key: plain(key, conf[key]) for key in settings.CONFIG}
        print("Changed worker configuration:", json.dumps(changes, indent=4), flush=True)


def plain(key, value):
    """A value as JSON has it: other types as Python shows them, no passwords at any depth."""
    if isinstance(key, str) and HIDDEN_SETTINGS.search(key):
        return "********"
    if isinstance(value, dict):
        return {str(name): plain(name, item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(None, item) for item in value]
    if isinstance(value, (bool, int, float, type(None))):
        return value
    return URL_PASSWORD.sub(r"://\1:**@", value if isinstance(value, str) else repr(value))


def when_ready(sender, **_):
    """Announces the worker behind the first turn of its event loop, where it has one.

    Celery calls itself ready just before that. Kombu's Redis transport subscribes to remote control within it, so that a command
    that is sent at once would get lost.
    """
    hub = getattr(sender, "hub", None)
    queues = ",".join(sender.app.amqp.queues.consume_from)
    if hub is None:
        announce(sender.hostname, queues)
    else:
        hub.call_soon(announce, sender.hostname, queues)


def announce(hostname, queues):
    """Writes the line that the test waits for: past the log level, and past Celery's capture of standard output."""
    os.write(1, f"testcelery: worker ready {hostname} {queues}\n".encode())
