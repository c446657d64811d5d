"""Other engines on the same jobs, one file each: rows, or one line that says how to install what is missing.

Each file runs in a process of its own (`python -m benchmarks.baselines.NAME --into FILE`), if need be with a Python of
its own, and therefore imports neither JAX nor anything else of mpcjax (except `ours`). `benchmarks.peers` runs them all.
"""
