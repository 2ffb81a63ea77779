from tests.store_fixtures import file_store, home

__all__ = ["file_store", "home"]
