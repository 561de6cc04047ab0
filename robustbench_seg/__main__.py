"""`python -m robustbench_seg`."""

from robustbench_seg.cli import console

if __name__ == "__main__":
    console()
