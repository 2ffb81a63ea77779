"""Parts of the page Frontier."""
