"""The user's own Celery app, found as ``celery -A`` finds it and made ready for the test."""

from importlib import import_module

from celery import Celery
from celery.app.utils import find_app

from testcelery import settings
from testcelery.worker import prepare


def find(module):
    """The app by Celery's own rules; where these lead to something else called ``app``, the one app that the module has."""
    found = find_app(module)
    if isinstance(found, Celery):
        return found
    apps = [value for value in vars(import_module(module)).values() if isinstance(value, Celery)]
    if len(apps) != 1:
        raise RuntimeError(f"`{module}` has {len(apps)} Celery apps; it needs one, called `app` or `celery` if there are more")
    return apps[0]


app = find(settings.APP_MODULE)
prepare(app)
