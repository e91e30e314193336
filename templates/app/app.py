"""The Celery app of the worker."""

from celery import Celery

from testcelery import settings
from testcelery.worker import prepare

app = Celery(settings.APP_NAME)
# On a line of its own: modules that are imported now may import the app from here.
prepare(app)
