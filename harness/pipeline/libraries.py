"""The packages that decode and resize, beside Pillow and OpenCV, which are always there."""

from __future__ import annotations

LIBRARIES = ("av", "simplejpeg", "torch", "torchvision", "nvidia-dali-cuda120", "nvidia-nvimgcodec-cu12")
