"""NYU Depth V2: indoor scenes with labels and depth, in the forms that it is passed on in."""
