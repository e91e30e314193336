from celery import shared_task

from ..foreign import app

PREFIX = "deep"


@shared_task(name=PREFIX + ".named")
def named():
    return "named"


def plain():
    return "plain"


plain = app.task(plain)
