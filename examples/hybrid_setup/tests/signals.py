from celery.signals import task_prerun, worker_ready


@worker_ready.connect
def worker_ready_handler(sender, **kwargs):
    print(f"worker_ready_handler of {sender.hostname}")


@task_prerun.connect
def task_prerun_handler(task, **kwargs):
    print(f"task_prerun_handler of {task.name}")
