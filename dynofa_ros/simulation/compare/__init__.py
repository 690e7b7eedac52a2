"""Policies compared over scenarios and seeds: runs, figures, checks, tables and plots."""
