"""Runs code of a test in the worker's context.

Usage: ``python -m testcelery.evaluate CODE``. The value of CODE's last expression goes to standard output as JSON, and nothing else
does: what CODE prints goes to standard error, as does the traceback where it fails, with exit code 1. ``app`` in CODE is the
worker's Celery app.
"""

import ast
import json
import os
import sys
import traceback


class Context(dict):
    """The names of the code. The app is imported when it is asked for, which takes a while."""

    def __missing__(self, name):
        if name != "app":
            raise KeyError(name)
        from testcelery import settings
        from testcelery.worker import complete

        if settings.APP_MODULE is None:
            from app import app
        else:
            from testcelery.entry import app
        complete(app)
        self[name] = app
        return app


def evaluate(code):
    """The value of the last expression; None where the last statement is none."""
    tree = ast.parse(code, "<test>")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    context = Context(__name__="__testcelery__")
    exec(compile(tree, "<test>", "exec"), context)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), context)


def to_json(value):
    """JSON for a value; sets as lists."""

    def default(item):
        if isinstance(item, (set, frozenset)):
            return sorted(item, key=repr)
        raise TypeError(f"a value of type {type(item).__name__} is no JSON; turn it into text, numbers, lists and dicts")

    return json.dumps(value, default=default, allow_nan=False)


def main(code):
    # A duplicate of standard output for the value alone; whatever prints, child processes too, prints to standard error.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        text = to_json(evaluate(code))
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
