"""The version, which the package and its files carry."""

__version__ = "0.1.0"
