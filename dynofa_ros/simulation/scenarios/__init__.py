"""Scenario files: what happens to a board and its applications from outside."""
