"""Corruptions: ImageNet-C's, and how far accuracy falls under them."""
