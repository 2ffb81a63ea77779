"""Parts of the page Find best."""
