"""The study of UniNet 2021: how tasks relate, and what attacking one does to the others."""
