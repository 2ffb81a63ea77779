"""Stores a temporary home and the stores that every contract is tried on."""

from tests.store_fixtures import file_store, home, store  # noqa: F401
