"""The command in a checkout, installed or not: python bench.py --engine trt --bits 8."""

from __future__ import annotations

import sys

from seatrial.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
