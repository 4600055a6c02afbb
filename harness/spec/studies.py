"""The suites that repeat a published study: their names, which several kinds answer to."""

from __future__ import annotations

# Xiao et al., arXiv 2308.02350: attacks, corruptions and system noise, by method and bit-width.
ROBUSTMQ = "robustmq"
# Gorsline, Smith and Merkel, arXiv 2105.00227: gradient attacks of growing strength, by bit-width.
MERKEL = "merkel"
# Of weights and biases; activations are float.
MERKEL_BITS = range(1, 11)
STUDIES = (ROBUSTMQ, MERKEL)
