"""`python -m optlab ...`: the commands, one file for each group of them; `main` collects them."""
