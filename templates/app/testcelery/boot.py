"""Starts ``celery`` in two steps, so that its slow imports are over before the broker is there.

Usage: ``python -m testcelery.boot GO_FILE celery -A app worker ...``

The first step imports what every worker imports, none of the user's modules among it, and holds still until GO_FILE exists.
The second step is ``celery`` itself, in the same process. A container that is told early, or restarted, has its GO_FILE already
and does not wait.
"""

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module

# What a ready worker has imported, found by comparing `sys.modules`. A version of Celery that lacks one does without.
MODULES = (
    "celery.bin.celery",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.events.state",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "kombu.mixins",
    "billiard.heap",
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "billiard.synchronize",
    "encodings.idna",
)
# These pools replace parts of the standard library, which has to come before all other imports.
PATCHING_POOLS = ("eventlet", "gevent")
POLL_SECONDS = 0.005
# The folder that this package is in.
CONTENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def scheme(variable):
    """The scheme of the URL in an environment variable, of the first one if there are many."""
    return os.environ.get(variable, "").partition("://")[0]


def preload():
    """Imports what a worker needs. What fails here fails again in the worker, which reports it in its own words."""
    gc.disable()  # nothing of this is ever garbage
    for module in MODULES:
        with suppress(Exception):
            import_module(module)
    with suppress(Exception):
        from kombu.transport import get_transport_cls

        get_transport_cls(scheme("CELERY_BROKER_URL"))
    with suppress(Exception):
        from celery.app.backends import BACKEND_ALIASES
        from kombu.utils.imports import symbol_by_name

        symbol_by_name(BACKEND_ALIASES[scheme("CELERY_RESULT_BACKEND").partition("+")[0]])
    # The pool collects garbage before each fork: 30 ms a process, if it has to look at all of this.
    gc.freeze()
    gc.enable()


def hold(go_file):
    """Waits for a file. As process 1 of a container it would not even notice a SIGTERM without a handler."""
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    while not os.path.exists(go_file):
        time.sleep(POLL_SECONDS)
    signal.signal(signal.SIGTERM, previous)


def main(go_file, *command):
    """Is the command, from the moment on that the file exists."""
    # Python has put the working folder first. In an image of somebody's own that may be another one, with an `app.py` of its own.
    sys.path.insert(0, CONTENT)
    # Also where there is nothing to wait for: without the collector of garbage, imports are faster.
    if not any(word.endswith(PATCHING_POOLS) for word in command):
        preload()
    if not os.path.exists(go_file):
        hold(go_file)
    sys.argv = list(command)
    # Click names the program after both of them, and this is `celery`, not `python -m testcelery.boot`.
    sys.modules["__main__"].__package__ = None
    from celery.__main__ import main as celery

    celery()


if __name__ == "__main__":
    main(*sys.argv[1:])
