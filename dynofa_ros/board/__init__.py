"""The machine: clocks, power, temperature and load, real or simulated."""
