"""Parts of pages that more than one page shows, or that deserve a file of their own. No torch, no arithmetic."""
