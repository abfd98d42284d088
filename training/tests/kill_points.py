"""Kill points: both stages killed (SIGKILL) again and again, at seeded moments, must end as an uninterrupted run does.

`python -m tests.kill_points [--points 10] [--seed 1] [--s3]` prints a JSON object; `npm run train:kill` runs it. Every
attempt is a forked process, so that PyTorch is imported once. A kill point is a moment of the clock, or a place in the
n-th write of an attempt: half of its bytes written or sent, all written but nothing renamed, or just published.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml

from versamammo import phantoms, stage1, stage2
from versamammo.config import Config, parse_config
from versamammo.store import FolderStore, S3Store, open_store

MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

SMOKE = Path(__file__).parents[1] / "configs" / "smoke.yaml"
PLACES = ("half", "whole", "published")


@dataclasses.dataclass(frozen=True)
class KillPoint:
    """Seconds after the start, or a place in the n-th write."""

    seconds: float | None = None
    write: int | None = None
    place: str = ""


def configuration(prepared: Path, steps: int) -> Config:
    """Smoke, with a checkpoint every third step and both stages `steps` long."""
    document = yaml.safe_load(SMOKE.read_text())
    document["data"]["sets"] = [str(prepared / name) for name in phantoms.SETS]
    document["runtime"] = {"threads": 1, "tensorboard": False, "checkpoint_steps": 3}
    document["stage1"] |= {"steps": steps, "batch": 4, "local_crops": 1}
    document["stage2"] |= {"steps": steps, "batch": 4, "validate_steps": steps // 2, "ema": 0.9, "mixup": 0.4}
    return parse_config(document)


def both_stages(config: Config, run: str) -> None:
    stage1.run(config, run)
    stage2.run(config, run)


def attempt(config: Config, run: str, point: KillPoint | None) -> bool:
    """Run both stages in a child; True if it came to its end, False if the kill point was hit.

    Raises:
        RuntimeError: where the child failed by itself.
    """
    child = os.fork()
    if child == 0:
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            if point is not None and point.write is not None:
                arm(point)
            if point is not None and point.seconds is not None:
                threading.Timer(point.seconds, die).start()
            both_stages(config, run)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status != 0:
        raise RuntimeError("A stage failed by itself, see above.")
    return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: KillPoint) -> None:
    """Let the n-th write of this process be its last."""
    count = 0
    armed = False

    def counted(write: Callable[..., None]) -> Callable[..., None]:
        def wrapper(store: Any, key: str, body: bytes) -> None:
            nonlocal count, armed
            count += 1
            armed = count == point.write
            write(store, key, body)
            if armed:
                die()  # published, or whatever place was not met before

        return wrapper

    for kind in (FolderStore, S3Store):
        for name in ("put", "put_absent"):
            setattr(kind, name, counted(getattr(kind, name)))

    if point.place == "published":
        return
    temporary = FolderStore._write_temporary

    def write_temporary(store: FolderStore, body: bytes) -> Path:
        if armed and point.place == "half":
            temporary(store, body[: len(body) // 2])
            die()
        path = temporary(store, body)
        if armed:
            die()
        return path

    FolderStore._write_temporary = write_temporary  # type: ignore[method-assign]
    send = http.client.HTTPConnection.send

    def send_half(connection: Any, data: Any) -> None:
        if armed and isinstance(data, (bytes, bytearray)) and data.startswith(b"PUT "):
            send(connection, data)
            connection.sock.sendall(b"5\r\nhalf ")
            die()
        send(connection, data)

    http.client.HTTPConnection.send = send_half  # type: ignore[method-assign]


def outcome(run: str) -> dict[str, str]:
    """What must be equal: hashes of loss logs, weights and manifests of both stages."""
    store = open_store(run)
    keys = [
        f"{s}/{f}"
        for s, w in (("stage1", "teacher.pt"), ("stage2", "student.pt"))
        for f in ("log.jsonl", w, "manifest.json")
    ]
    return {key: hashlib.sha256(store.get(key) or b"absent").hexdigest() for key in keys}


def kill_points(count: int, rng: random.Random, seconds: float, writes: int) -> list[KillPoint]:
    """Half by the clock, half in writes."""
    return [
        KillPoint(seconds=rng.uniform(0.05, seconds * 0.5))
        if number % 2 == 0
        else KillPoint(write=rng.randint(1, writes), place=PLACES[(number // 2) % len(PLACES)])
        for number in range(count)
    ]


@contextmanager
def loopback_bucket() -> Iterator[None]:
    """The bucket versamammo-runs on an S3 server of its own, named in the environment while it runs."""
    import boto3

    server = subprocess.Popen([sys.executable, "-c", MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    names = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="versamammo-runs")
        yield
    finally:
        server.kill()
        server.wait()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def measure(root: Path, points: int, seed: int, steps: int, s3: bool) -> dict[str, Any]:
    """An uninterrupted run, then one killed at every point and started again until it ends."""
    torch.set_num_threads(1)
    phantoms.write(root / "prepared", images=30, seed=seed)
    config = configuration(root / "prepared", steps)
    where = "s3://versamammo-runs/" if s3 else f"{root}/"
    begun = time.monotonic()
    if not attempt(config, f"{where}whole", None):
        raise RuntimeError("The uninterrupted run was killed.")
    seconds = time.monotonic() - begun
    rng = random.Random(seed)
    killed, attempts, rows = 0, 0, []
    run = f"{where}killed"
    for point in kill_points(points, rng, seconds, 12):
        attempts += 1
        ended = attempt(config, run, point)
        killed += not ended
        rows.append({**dataclasses.asdict(point), "killed": not ended})
        if ended:  # everything is done: begin another run, so that every point has its chance
            check(outcome(f"{where}whole"), outcome(run))
            run = f"{where}killed-{attempts}"
    while not attempt(config, run, None):
        attempts += 1
    check(outcome(f"{where}whole"), outcome(run))
    return {"points": points, "killed": killed, "uninterruptedSeconds": seconds, "equal": True, "rows": rows}


def check(whole: dict[str, str], killed: dict[str, str]) -> None:
    different = [key for key, digest in whole.items() if killed[key] != digest]
    if different or len(set(whole.values())) < len(whole):
        raise RuntimeError(f"Not equal bit for bit: {', '.join(different) or 'a file is absent'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--s3", action="store_true", help="the run is in a bucket on loopback, not in a folder")
    values = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, loopback_bucket() if values.s3 else nullcontext():
        try:
            print(json.dumps(measure(Path(folder), values.points, values.seed, values.steps, values.s3)))
        except RuntimeError as error:
            print(json.dumps({"equal": False, "reason": str(error)}))
            sys.exit(1)


if __name__ == "__main__":
    main()
