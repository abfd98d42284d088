"""Processes under torchrun: rank, device, and gradients averaged over all of them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from versamammo.config import Runtime
from versamammo.errors import TrainingError


def start(runtime: Runtime) -> torch.device:
    """Join torchrun's group if there is one (NCCL on GPUs, else gloo), and choose the device."""
    cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not cuda:
        raise TrainingError("no-gpu", "runtime.device is cuda and there is no GPU: use auto or cpu.")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    use_cuda = cuda and runtime.device != "cpu"
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if use_cuda:
        torch.cuda.set_device(local)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if use_cuda else "gloo")
    return torch.device("cuda", local) if use_cuda else torch.device("cpu")


def stop() -> None:
    """Leave the group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def seed_step(seed: int, step: int) -> None:
    """Seed every generator from seed, rank and step: dropout, masks and mixing of a step never depend on its past."""
    value = int(np.random.SeedSequence([seed, rank(), step]).generate_state(1)[0])
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def seed_weights(seed: int) -> None:
    """Seed the initial weights, equally in every process."""
    torch.manual_seed(seed)


@torch.no_grad()
def average_gradients(networks: Iterable[nn.Module]) -> None:
    """Mean of every gradient over the processes; a missing one counts as zero."""
    if world_size() == 1:
        return
    for network in networks:
        for parameter in network.parameters():
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)
                parameter.grad /= world_size()


def mean_over_processes(values: dict[str, float]) -> dict[str, float]:
    """Mean of each number over the processes."""
    if world_size() == 1:
        return values
    names = sorted(values)
    tensor = torch.tensor([values[name] for name in names], dtype=torch.float64)
    if dist.get_backend() == "nccl":
        tensor = tensor.cuda()
    dist.all_reduce(tensor)
    return {name: float(value) / world_size() for name, value in zip(names, tensor.tolist(), strict=True)}


@torch.no_grad()
def share_buffers(networks: Iterable[nn.Module]) -> None:
    """Give every process the first one's buffers (BatchNorm statistics)."""
    if world_size() == 1:
        return
    for network in networks:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)
