"""Readers under bytes that nobody thought of: `python -m fuzz.run SECONDS [TARGET]`, see README.md beside this."""
