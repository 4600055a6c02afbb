"""The questions asked of an engine: data, conditions, trials, metrics, latency, results, reports."""
