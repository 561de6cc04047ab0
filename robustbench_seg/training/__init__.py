"""Training: recipes, the loop, and the export of what it made into the catalogue."""
