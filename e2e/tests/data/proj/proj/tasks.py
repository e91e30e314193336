from . import numbers
from .celery import app


@app.task
def add(x, y):
    return numbers.total(x, y)


@app.task(bind=True)
def settings(self):
    conf = self.app.conf
    return [self.app.main, conf.result_expires, conf.task_acks_late, conf.task_default_priority]
