"""The ground floor of seatrial: errors, registries, content hashes, atomic files and the cache folder.

Every other package may import this one; it imports none of them and nothing heavier than the standard library.
"""

__version__ = "0.3.0"
