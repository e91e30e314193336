from celery import shared_task


@shared_task(bind=True)
def who(self):
    """Celery's name for the worker that runs this."""
    return self.request.hostname
