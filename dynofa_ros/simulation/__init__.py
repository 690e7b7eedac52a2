"""Evaluation without a robot: metrics, bags, lock-step replay and reports."""
