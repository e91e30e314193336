from celery import shared_task

from .models import Widget


@shared_task
def count_widgets():
    return Widget.objects.count()


@shared_task
def create_widget(name):
    return Widget.objects.create(name=name).pk


@shared_task
def rename_widget(widget_id, name):
    widget = Widget.objects.get(id=widget_id)
    widget.name = name
    widget.save()
