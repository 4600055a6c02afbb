"""What a run leaves behind: prediction rows, latencies, audits, the summary and the verdict."""
