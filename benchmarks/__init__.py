"""Programs that measure what the README's tables claim; each is run as `python -m benchmarks.NAME`."""
