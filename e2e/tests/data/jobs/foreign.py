"""Tasks on an app of the module's own, and names that a star import would bring into the worker's app."""

import celery
from celery import Celery as RealCelery

json = "not json"
Celery = None
settings = None
app = RealCelery("foreign", broker="memory://")


@app.task
def shared():
    return "shared"


@app.task(shared=False)
def unshared():
    return "unshared"


@app.task(bind=True, shared=False)
def whose(self):
    return self.app.main


class Registered(celery.Task):
    name = "jobs.registered"

    def run(self, x):
        return x * 2


app.register_task(Registered())
