"""Seconds by stage and GPU memory of the networks in their genuine size, Gen3D's way and upstream's.

Knows no weights: random ones are drawn on the GPU, the shape and the surface are forced to be like an object's, and
what comes out means nothing; the work is that of a real object.

On a bare machine with a GPU, Python and a torch that knows it (2.11 or newer, which has variable-length attention):

1. Where there is a package index: `pip download --no-deps --only-binary :all: --dest wheels` (with the GPU machine's
   `--python-version` and `--platform`) the packages in requirements/sam3d.in and requirements/sam3d-upstream.in that
   the machine lacks, but torchvision in the version that belongs to its torch and, for spconv, `spconv-cu126`,
   `cumm-cu126`, `pccm`, `ccimport`, `lark` and `pybind11`; pydantic, pydantic-settings, antlr4-python3-runtime and
   `portalocker` besides.
2. There: `pip install --no-index --no-deps --target site wheels/*.whl`.
3. Unpack Meta's source, or find it in the wheel of `sam3d`, in sam3d/third_party/meta.
4. `PYTHONPATH=site:META:. python3 benchmarks/gpu.py --json out.json`; about 10 minutes. The JSON is written after each
   row, so a run that was cut short loses only the row in work. `--only`, `--boxes` and `--quality` divide the work.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.flops import ellipses, hollow_bundle, shell, whole_mask
from benchmarks.measure import machine, table
from benchmarks.sam3d_bundle import Size, aim_camera, random_tensor
from model_loader.locate import Bundle
from serve.contract import Quality
from serve.errors import Gen3DError
from serve.reconstruct import Detail, Fineness
from serve.reconstruct.sam3d import reconstructor
from serve.reconstruct.sam3d.build import build_pipeline
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.residence import Residence, Vram, open_device
from serve.reconstruct.sam3d.stages import Sampling
from serve.reconstruct.sam3d.upstream import gaussians_on
from serve.segment import PixelBox, Segmentation
