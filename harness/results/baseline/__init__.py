"""A run against another one, paired by image and condition: last week's, or another machine's."""
