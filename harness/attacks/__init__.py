"""Adversarial images: made on differentiable copies of the models, or found by asking a built engine.

Importing the package is light; its gradient attacks import PyTorch.
"""
