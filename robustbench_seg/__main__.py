"""`python -m robustbench_seg`."""

from robustbench_seg.cli import main

if __name__ == "__main__":
    main()
