import os

SECRET_KEY = "not a secret: there is no server"
INSTALLED_APPS = ["demoapp"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_DATABASE", "db.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

CELERY_TASK_TRACK_STARTED = True
CELERY_RESULT_EXPIRES = 600
