"""Keeps camera perception inside its latency, accuracy, power and heat targets."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)  # the generated messages may lie in another folder of the path
__version__ = "0.1.0"
