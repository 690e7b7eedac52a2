"""Latency, power and heat as equations, fitted from measurements."""
