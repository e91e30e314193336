"""A package for tests."""
