"""The table rule x attack of test accuracies: ``python -m experiments.robustness``, ``--help`` for flags."""
