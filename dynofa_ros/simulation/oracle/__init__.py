"""The oracle, which knows the future, and the bound that not even it can pass."""
