"""What a test asks of a running worker, by a command in its container."""

import os


# Every process of a container has it; on some engines there are others to be seen.
CONTAINER = "TESTCELERY_CONTAINER"


def belongs_here(pid):
    """Whether a process is one of the container's."""
    mark = f"{CONTAINER}={os.environ.get(CONTAINER, '')}".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return CONTAINER not in os.environ or mark in environ.read().split(b"\0")
    except OSError:
        return False  # it ended in between, or is somebody else's


def get_running_processes_info():
    """The processes of the container: a list of dicts with ``pid``, ``name`` and ``cmdline``, ordered by pid."""
    processes = []
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and belongs_here(entry)):
        try:
            with open(f"/proc/{pid}/comm") as comm, open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                words = cmdline.read().rstrip(b"\0").split(b"\0")
                name = comm.read().rstrip("\n")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended in between
        processes.append({"pid": pid, "name": name, "cmdline": [word.decode(errors="replace") for word in words if word]})
    return processes
