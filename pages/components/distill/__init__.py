"""Parts of the page Distill."""
