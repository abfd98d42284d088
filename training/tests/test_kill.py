"""A tenth of `npm run train:kill`: one point by the clock, one in a write. Then the same against S3 on loopback, once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill_points import measure

MOTO = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bucket versamammo-runs on a loopback S3 server of its own."""
    server = subprocess.Popen([sys.executable, "-c", MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "loopback")
    import boto3

    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="versamammo-runs")
    yield
    server.kill()
    server.wait()


def test_killed_and_resumed_is_equal_bit_for_bit(tmp_path: Path) -> None:
    result = measure(tmp_path, points=2, seed=4, steps=4, s3=False)
    assert result["equal"] and result["killed"] == 2


def test_killed_in_uploads_and_resumed_is_equal_bit_for_bit(tmp_path: Path, bucket: None) -> None:
    result = measure(tmp_path, points=2, seed=6, steps=4, s3=True)
    assert result["equal"] and result["killed"] == 2
