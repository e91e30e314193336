"""Tasks that a function registers on the app that it makes."""

from celery import Celery

PREFIX = "made"


def create():
    made = Celery("factory", broker="memory://")

    @made.task
    def by_function():
        return "by function"

    @made.task(name=f"{PREFIX}.by_name")
    def named():
        return "by name"

    return made


app = create()
