"""How strong the attacks are, and what that costs. `python -m` this package runs the study."""
