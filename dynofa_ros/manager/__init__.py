"""What should run: targets, operating points, estimators, the reflex and the arbiter."""
