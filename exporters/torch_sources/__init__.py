"""Sources that PyTorch loads: a factory in a Python file, a .pt2 program, models of timm and torchvision."""
