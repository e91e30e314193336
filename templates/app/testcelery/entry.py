"""The user's own Celery app, found as ``celery -A`` finds it and made ready for the test."""

from celery.app.utils import find_app

from testcelery import settings
from testcelery.worker import prepare

app = prepare(find_app(settings.APP_MODULE))
