"""The tasks that every worker has."""

import time

from celery import shared_task


@shared_task
def add(x, y, z=None):
    """The sum of two or three values."""
    return x + y if z is None else x + y + z


@shared_task(bind=True)
def add_replaced(self, x, y, z=None, *, queue=None):
    """Replaces itself by ``add``, on another queue if one is named."""
    # Celery would have the replacement answer to the worker that publishes it, and with rpc:// nobody reads that.
    raise self.replace(add.s(x, y, z).set(queue=queue, reply_to=self.request.reply_to))


@shared_task
def fail(*args):
    """Raises a ``RuntimeError`` of these arguments."""
    raise RuntimeError(*args)


@shared_task
def identity(x):
    """What it is given."""
    return x


@shared_task
def noop(*args, **kwargs):
    """Nothing, whatever it is given."""


@shared_task
def ping():
    """The text "pong"."""
    return "pong"


@shared_task
def sleep(seconds=1, **_):
    """True, after some seconds."""
    time.sleep(seconds)
    return True


@shared_task
def xsum(nums):
    """The sum of numbers in lists of any depth."""
    return sum(xsum(num) if isinstance(num, (list, tuple)) else num for num in nums)
