"""What a hostile or unlucky world does: mutated inputs, and runs that are killed."""
