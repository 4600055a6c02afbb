"""The command: python bench.py --engine trt --bits 8. Parses, calls the harness, prints the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console

from harness.command import parse
from harness.report.console import RichProgress
from shipcheck.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, ShipcheckError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 passed, 1 gate failed, 2 usage or bad input, 3 target unavailable
    or build failed, 4 a fault of shipcheck's own, 130 interrupted.
    """
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        job = parse(sys.argv[1:] if arguments is None else arguments)
        return job(RichProgress(), Console())
    except ShipcheckError as error:
        errors.print(f"shipcheck: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        errors.print("shipcheck: interrupted. Finished trials are kept; the same command continues the run.")
        return EXIT_INTERRUPTED
    except Exception:  # a fault of ours must not look like a failed gate, which Python's own status 1 would
        Console(stderr=True).print_exception()
        errors.print("shipcheck: this is a fault of shipcheck's own. Please report it with the lines above.")
        return EXIT_INTERNAL


if __name__ == "__main__":
    sys.exit(main())
