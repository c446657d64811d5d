"""Experiments on real data: ``python -m experiments.demo``, ``python -m experiments.real_run`` with ``--help`` for
flags."""
