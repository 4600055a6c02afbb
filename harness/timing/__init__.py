"""Targets timed side by side: who is asked when and how much, and what is measured beside the engines' clocks."""
