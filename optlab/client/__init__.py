"""What pages and command line call to have work done and to find what was done. Torch-free."""
