"""What every app of a worker gets: settings, URLs, modules, and the line that says that it is ready."""

import json
import os
from importlib import import_module

from celery import _state
from celery.app.utils import filter_hidden_settings
from celery.signals import celeryd_init, worker_ready
from kombu.utils.url import maybe_sanitize_url

from testcelery import settings


def prepare(app):
    """Makes an app ready for the test, whoever has built it, and returns it."""
    # All of its modules are imported with this app as the current one, whatever other apps they make.
    app.set_default()
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
    adopt_tasks(app)
    celeryd_init.connect(print_changes, weak=False)
    worker_ready.connect(when_ready, weak=False)
    return app


def adopt_tasks(app):
    """Registers the tasks of the other apps that the modules have made.

    Celery shares tasks between apps by itself, but for those with ``shared=False`` and those of ``register_task``.
    """
    for other in list(_state._get_active_apps()):
        if other is app:
            continue
        for name, task in list(other.tasks.items()):
            if name not in app.tasks:
                # The class has its app as an attribute of its own, which `bind` does not reach.
                type(task).app = app
                task.bind(app)
                app.tasks.register(task)


def print_changes(conf, **_):
    """Says what the worker was told, without what may be secret."""
    if settings.CONFIG:
        changes = filter_hidden_settings({key: conf[key] for key in settings.CONFIG})
        print("Changed worker configuration:", json.dumps(plain(changes), indent=4), flush=True)


def plain(value):
    """The value as JSON has it: other types as Python shows them, URLs without passwords."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return maybe_sanitize_url(value)
    return value if isinstance(value, (bool, int, float, type(None))) else repr(value)


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
