"""Inside perception, per frame: the operating point that still fits the target."""
