"""Image sources with known labels."""
