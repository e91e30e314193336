"""Tasks that are over when all of them have begun."""

import threading

from celery import shared_task

PARTY = 20

_all_are_here = threading.Barrier(PARTY)


@shared_task
def meet():
    """Sleeps until the whole party has come: the number of this guest, each once. Fails after half a minute, as one at a time would."""
    return _all_are_here.wait(timeout=30)
