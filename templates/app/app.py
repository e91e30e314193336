"""The Celery app of the worker."""

from celery import Celery

from testcelery import settings
from testcelery.worker import prepare

app = prepare(Celery(settings.APP_NAME))
