"""What several pages show, and what all of them stand on."""
