"""What a run says to a published study, as it is shown: the block `study` of summary.json."""
