"""Runs pytest-celery as it is; only where its images come from is changed.

Environment (all optional):
  PEER_REDIS_IMAGE, PEER_RABBITMQ_IMAGE  images of the two brokers
  PEER_WORKER_BASE                       Python base image of the worker image
  PEER_REPORT                            file to append the report to
  PEER_RUN_ID                            testcelery session that all that a run creates belongs to
  PIP_CERT or SSL_CERT_FILE              CA bundle for pip inside the image build

Report: one JSON object a line,
  {"nodeid": str, "when": "setup" | "call" | "teardown", "outcome": str, "duration": seconds}
A test's time is the sum of its three lines, and counts only if all three say "passed".
The line {"nodeid": "", "when": "image", ...} is the build of the worker image: it happens
before the first test and belongs to none.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import docker
import pytest
import pytest_docker_tools.wrappers.container
from pytest_docker_tools import image

WORKER_IMAGE = "testcelery-peer/worker:latest"
LABELS = {"testcelery": "true", "testcelery.session": os.environ.get("PEER_RUN_ID", "")}


def write_report(**line):
    if path := os.environ.get("PEER_REPORT"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def pytest_runtest_logreport(report: pytest.TestReport):
    write_report(
        nodeid=report.nodeid, when=report.when, outcome=report.outcome, duration=report.duration
    )


def pytest_sessionstart(session: pytest.Session):
    """Builds the worker image. pytest-celery does this in the setup of a session's first
    test, every session; it is kept out of the tests' time, in pytest-celery's favour."""
    started = time.perf_counter()
    here = Path(__file__).parent
    ca = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    base = os.environ.get("PEER_WORKER_BASE")
    with tempfile.TemporaryDirectory() as context:
        for name in ("Dockerfile", "requirements.txt"):
            shutil.copyfile(here / name, Path(context, name))
        Path(context, "ca.pem").write_bytes(Path(ca).read_bytes() if ca else b"")
        try:
            docker.from_env().images.build(
                path=context,
                tag=WORKER_IMAGE,
                rm=True,
                forcerm=True,
                buildargs={"PEER_WORKER_BASE": base} if base else {},
            )
        except docker.errors.BuildError as error:
            log = "".join(line.get("stream", "") for line in error.build_log)
            pytest.exit(f"the worker image could not be built:\n{log}\n{error}", returncode=3)
    write_report(nodeid="", when="image", outcome="passed", duration=time.perf_counter() - started)


celery_base_worker_image = image(name=WORKER_IMAGE)


@pytest.fixture
def default_redis_broker_image():
    return os.environ.get("PEER_REDIS_IMAGE", "redis:latest")


@pytest.fixture
def default_redis_backend_image():
    return os.environ.get("PEER_REDIS_IMAGE", "redis:latest")


@pytest.fixture
def default_rabbitmq_broker_image():
    # 1.3.0 says rabbitmq:latest, which has since become a RabbitMQ that refuses Celery's
    # transient queues; its main branch pins 4.2.
    return os.environ.get("PEER_RABBITMQ_IMAGE", "rabbitmq:4.2")


@pytest.fixture
def default_rabbitmq_broker_env(default_rabbitmq_broker_env):
    # The official image lets `guest` in from other hosts (loopback_users.guest = false in
    # its conf.d); a substitute, e.g. Debian's package, is told to do the same.
    if "PEER_RABBITMQ_IMAGE" not in os.environ:
        return default_rabbitmq_broker_env
    return {
        **default_rabbitmq_broker_env,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit loopback_users []",
    }


# A machine whose root has a /.dockerenv but runs its own engine is taken for a container,
# and then pytest-celery pairs `localhost` with a port nobody published. Always use
# published ports, as on any other machine.
pytest_docker_tools.wrappers.container.tests_inside_container = lambda: False


def _add_labels(module):
    original = module.set_reusable_labels

    def set_reusable_labels(kwargs, request):
        original(kwargs, request)
        kwargs["labels"].update(LABELS)

    module.set_reusable_labels = set_reusable_labels


# Testcelery's labels on every container, network and volume, so that what an interrupted run
# left is found and removed like anything else of that session.
for _name in ("container", "network", "volume"):
    _add_labels(sys.modules[f"pytest_docker_tools.factories.{_name}"])
