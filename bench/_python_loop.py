"""Vectors per second from pixels in Python, and of onnxruntime alone: the comparison of bench/model.ts. Pixels: uint16 on standard input."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from versamammo.config import ModelInput
from versamammo.data import to_model_input

folder, rows, columns, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(1)
manifest = json.loads((folder / "manifest.json").read_text())
spec, encoder = manifest["input"], manifest["encoder"]
model_input = ModelInput(prepared_long_side=spec["preparedLongSide"], **{k: v for k, v in spec.items() if k != "preparedLongSide"})
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(str(folder / encoder["file"]), options, providers=["CPUExecutionProvider"])
grey = np.frombuffer(sys.stdin.buffer.read(), np.uint16).reshape(rows, columns)
tensor = to_model_input(grey, model_input)[None].numpy()


def run(x: np.ndarray) -> None:
    session.run([encoder["vector"]["name"]], {encoder["input"]["name"]: x})


def rate(work: Callable[[], None]) -> float:
    for _ in range(2):
        work()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        count += 1
    return count / (time.perf_counter() - start)


print(rate(lambda: run(to_model_input(grey, model_input)[None].numpy())), rate(lambda: run(tensor)))
