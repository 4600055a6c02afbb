"""From what was asked to what is left to do: keys, files, images."""
