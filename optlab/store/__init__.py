"""Where runs live: one database that pages, command line and workers share. Torch-free."""
