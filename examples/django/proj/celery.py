import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proj.settings")

app = Celery("proj")
# All settings of Celery's in `proj/settings.py` begin with `CELERY_`.
app.config_from_object("django.conf:settings", namespace="CELERY")
# Modules called `tasks` of all installed apps.
app.autodiscover_tasks()
