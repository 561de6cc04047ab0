"""Small runs of the command, and how a command ends."""

FAILED, INPUT, DOUBTED, STOPPED = 1, 3, 4, 130
TOY = ("-m", "toy-single", "-d", "toy")
GRID = ("-e", "1,4")
BASE = ("--limit", "4", "--workers", "1", "--json")


def evaluate_into(folder):
    """The run that `sound` is."""
    return ("evaluate", *BASE, *TOY, "-a", "fgsm", "-a", "gaussian", *GRID, "-o", folder)


def one_line(got, code, *named):
    """A command's end as it should be where something is wrong."""
    assert got[0] == code, got
    err = got[-1]
    assert err.count("\n") == 1, err
    assert err.startswith("robustseg: ")
    for part in named:
        assert str(part) in err
