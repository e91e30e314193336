"""Helpers for code that a test runs in the worker. A ``utils.py`` of your own takes the place of this one."""

from testcelery.processes import get_running_processes_info

__all__ = ["get_running_processes_info"]
