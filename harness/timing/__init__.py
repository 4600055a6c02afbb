"""What is measured beside the engines' own clocks, on this machine."""
