"""What steps do, each in a process of its own: `do(work, name, *arguments)` gives a `gpukit.results.Result`."""
