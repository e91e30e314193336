"""The processes of the worker's container, for a test.

Usage: ``python -m testcelery.processes`` prints a list of objects as JSON. The numbers are those of Linux's ``/proc`` (see ``proc(5)``).
"""

import json
import os
import pwd
import time

# Every process of a container has it; on some engines there are others to be seen.
CONTAINER = "TESTCELERY_CONTAINER"

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def read(path):
    """The bytes of a file; None where the process has ended in between or is somebody else's."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def belongs_here(environ):
    """Whether a process is one of the container's."""
    mark = f"{CONTAINER}={os.environ.get(CONTAINER, '')}".encode()
    return environ is not None and (CONTAINER not in os.environ or mark in environ.split(b"\0"))


def number_of(path, key):
    """A number that stands behind a key in a file of lines."""
    for line in (read(path) or b"").decode().splitlines():
        words = line.split()
        if words and words[0] == key:
            return int(words[1])
    raise RuntimeError(f"{path} has no {key}")


def user_name(uid):
    """The name of a user; its number where nobody has given it one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def get_running_processes_info():
    """The processes of the container as a list of dicts, ordered by pid.

    Keys: pid, ppid, name, username, cmdline (a list), cpu_percent (of one CPU, since its start), memory_percent (of the machine's),
    create_time (seconds since 1970).
    """
    if not os.path.exists("/proc/stat"):
        raise RuntimeError("the processes of a container are read from /proc, which this system does not have")
    booted = number_of("/proc/stat", "btime")
    memory = number_of("/proc/meminfo", "MemTotal:") * 1024
    now = time.time()
    processes = []
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        folder = f"/proc/{pid}"
        stat, cmdline = read(f"{folder}/stat"), read(f"{folder}/cmdline")
        if None in (stat, cmdline):
            continue
        # The name stands in brackets and may have any character in it.
        name, _, rest = stat.decode(errors="replace").partition("(")[2].rpartition(") ")
        fields = rest.split()
        # What has ended and was not waited for has no environment any more; it belongs to its parent.
        owner_pid = fields[1] if fields[0] == "Z" else pid
        if not belongs_here(read(f"/proc/{owner_pid}/environ")):
            continue
        create_time = booted + int(fields[19]) / TICKS
        used = (int(fields[11]) + int(fields[12])) / TICKS
        try:
            owner = os.stat(folder).st_uid
        except OSError:
            continue
        processes.append(
            {
                "pid": pid,
                "ppid": int(fields[1]),
                "name": name,
                "username": user_name(owner),
                "cmdline": [word.decode(errors="replace") for word in cmdline.rstrip(b"\0").split(b"\0") if word],
                "cpu_percent": round(100 * used / max(now - create_time, 1 / TICKS), 1),
                "memory_percent": round(100 * int(fields[21]) * PAGE / memory, 2),
                "create_time": create_time,
            }
        )
    return processes


if __name__ == "__main__":
    print(json.dumps(get_running_processes_info()))
