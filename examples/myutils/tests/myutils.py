from importlib import metadata


def myfunc():
    """Whatever a test wants to know of its worker."""
    return "foo"


def installed(package):
    """The version of a package in the worker."""
    return metadata.version(package)
