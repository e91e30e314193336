"""pytest-celery's hello world, on its whole default matrix.

One run per broker; pick one with `-k rabbitmq_broker` or `-k redis_broker`
(`-k redis` would match both: the result backend of both is Redis).
"""

from pytest_celery import RESULT_TIMEOUT, CeleryTestSetup, ping


def test_hello_world(celery_setup: CeleryTestSetup):
    assert ping.s().apply_async().get(timeout=RESULT_TIMEOUT) == "pong"
