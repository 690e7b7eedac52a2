"""The demonstration: scenario, processes and live view."""
