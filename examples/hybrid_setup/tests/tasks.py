import celery
from celery import shared_task


@shared_task(bind=True)
def who(self):
    """Which worker runs this, and with which Celery."""
    return [self.request.hostname, celery.__version__]


@shared_task
def add(x, y):
    return x + y
