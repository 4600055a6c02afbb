"""Attacks: adversarial images, made on a surrogate or found by asking the engine, and what is left under them."""
