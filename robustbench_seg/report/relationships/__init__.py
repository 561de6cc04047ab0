"""Task relationships through attacks (UniNet 2021): what attacking one task does to the others."""
