"""A temporary home, and the store in it that the commands open."""

from tests.store_fixtures import file_store, home  # noqa: F401
