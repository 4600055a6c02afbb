"""Engines built, and nothing asked of them."""
