"""Programs that measure what docs/measured.md claims; each is run as `python -m benchmarks.NAME`."""
