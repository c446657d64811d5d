"""Measurements of mpcjax: `python -m benchmarks` (or `make bench`) runs every `bench_*.py` of this folder."""
