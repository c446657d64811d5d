"""Experiments on real data: ``python -m experiments.demo``, ``python -m experiments.real_run`` and ``python -m
experiments.robustness`` with ``--help`` for flags, and the notebook ``colab.ipynb``, written from ``colab.py`` by
``make notebook``."""
