from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from robustbench_seg import protocol, registry
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models import registry as models_registry
from robustbench_seg.models.registry import MODELS
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.registries import REGISTRIES
from robustbench_seg.registry import Entry, Registry, built_in, lazy, load_plugin, some, unknown
from robustbench_seg.tasks.registry import TASKS

ROOT = Path(__file__).parents[1]


def entry(name: str, target: object, origin: str = "built-in", summary: str = "") -> Entry:
    return Entry(name, origin, summary, lambda: target)


def tools(*entries: Entry) -> Registry:
    return Registry("tool", "tools", lambda: entries)


def one_line(caught: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def attacks(monkeypatch):
    """The registry of attacks, as it was again afterwards."""
    monkeypatch.setattr(ATTACKS, "_entries", None)
    return ATTACKS


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Installs the metadata of a package with one entry point: `installed("robustseg.tools", "x", "json:loads")`."""

    def install(group: str, name: str, value: str) -> None:
        metadata = tmp_path / "site" / "some_package-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(metadata.parent))

    return install


@pytest.fixture
def plugin(tmp_path):
    """Writes a plugin file."""

    def write(text: str, name: str = "my_plugin.py") -> Path:
        file = tmp_path / name
        file.write_text(textwrap.dedent(text))
        return file

    return write


# one registry


def test_targets_are_found_by_name_and_listed_in_order():
    box = tools(entry("saw", 1), entry("axe", 2))
    assert box.get("saw") == 1
    assert list(box) == [e.name for e in box.entries()] == ["axe", "saw"]
    assert "axe" in box
    assert "hammer" not in box


def test_an_unknown_name_suggests_the_nearest():
    box = tools(entry("salt_and_pepper", 1), entry("gaussian", 2))
    with pytest.raises(UsageError, match="unknown tool 'gausian'; did you mean gaussian\\?") as caught:
        box.get("gausian")
    one_line(caught)


def test_a_name_unlike_any_other_says_where_to_look():
    with pytest.raises(UsageError, match="unknown tool 'zzz'; see `robustseg list tools`"):
        tools(entry("gaussian", 2)).entry("zzz")
    assert unknown("key", "zzz", ["name", "norm"]) == "unknown key 'zzz'; known: name, norm"


def test_the_decorator_registers_with_its_origin_and_first_line():
    box = tools()

    @box.register("plane")
    class Plane:
        """Makes it flat.

        More words.
        """

    @box.register("file", summary="Makes it smooth.")
    def file() -> None: ...

    assert box.get("plane") is Plane
    assert [(e.name, e.origin, e.summary) for e in box.entries()] == [
        ("file", "python", "Makes it smooth."),
        ("plane", "python", "Makes it flat."),
    ]


def test_a_collision_names_both_origins():
    box = tools(entry("saw", 1))
    with pytest.raises(UsageError, match="tool 'saw' from python is already registered by built-in; rename one") as e:
        box.register("saw")(object())
    one_line(e)
    assert box.get("saw") == 1


def test_the_same_target_twice_is_no_collision():
    target = object()
    box = tools(entry("saw", target))
    box.register("saw")(target)
    assert box.entry("saw").origin == "built-in"


def test_nothing_is_loaded_to_list():
    def load() -> object:
        raise AssertionError("loaded")

    box = tools(Entry("saw", "built-in", "cuts", load))
    assert [e.summary for e in box.entries()] == ["cuts"]
    with pytest.raises(AssertionError, match="loaded"):
        box.get("saw")


def test_lazy_targets_are_imported_on_use():
    import fractions

    assert lazy("fractions:Fraction")() is fractions.Fraction


# entry points


def test_entry_points_are_listed_with_their_package(installed):
    installed("robustseg.tools", "saw", "fractions:Fraction")
    box = tools(entry("axe", 2))
    assert [(e.name, e.origin, e.summary) for e in box.entries()] == [
        ("axe", "built-in", ""),
        ("saw", "some-package 1.2", "fractions:Fraction"),
    ]
    from fractions import Fraction

    assert box.get("saw") is Fraction


def test_an_entry_point_of_a_taken_name_is_refused(installed):
    installed("robustseg.tools", "axe", "fractions:Fraction")
    with pytest.raises(
        UsageError, match=re.escape("tool 'axe' from some-package 1.2 is already registered by built-in")
    ):
        list(tools(entry("axe", 2)))


@pytest.mark.parametrize("value", ["no_such_module:Thing", "fractions:NoSuchThing"])
def test_an_entry_point_that_fails_to_load_is_named(installed, value):
    installed("robustseg.tools", "saw", value)
    box = tools()
    assert list(box) == ["saw"]
    named = rf"'saw' of some-package 1\.2 fails to load: .*(no_such|NoSuch).*; correct it .*, {re.escape(value)}$"
    with pytest.raises(InputError, match=named) as e:
        box.get("saw")
    one_line(e)


BOTH = """
    from robustbench_seg.attacks.noise import Gaussian
    from robustbench_seg.attacks.registry import ATTACKS

    @ATTACKS.register("both_ways")
    class Both(Gaussian):
        '''Announced and decorated.'''
"""


@pytest.fixture
def package(plugin, monkeypatch, installed):
    """A module on the path that decorates what its entry point announces."""
    file = plugin(BOTH, "both_ways_package.py")
    monkeypatch.syspath_prepend(str(file.parent))
    installed("robustseg.attacks", "both_ways", "both_ways_package:Both")
    yield "both_ways_package"
    sys.modules.pop("both_ways_package", None)


def test_an_entry_point_may_lead_to_the_decorator(attacks, package):
    assert attacks.get("both_ways").__name__ == "Both"
    assert attacks.entry("both_ways").summary == "Announced and decorated."
    assert attacks.entry("both_ways").origin == "some-package 1.2"


# what cannot be used

ATTACK = """
    from dataclasses import dataclass
    from robustbench_seg import ATTACKS, Perturbation
    from robustbench_seg.attacks.iterative import IterativeAttack
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Bad(Perturbation):\n    k: float = 1.0", "put @dataclass(frozen=True) above Bad"),
        (
            "@dataclass(frozen=True)\nclass Bad(Perturbation):\n    k: float",
            "parameter 'k' has no default; write k: float = 1.0",
        ),
        ("@dataclass(frozen=True)\nclass Bad(Perturbation):\n    k: float = 1.0", "Bad lacks run(context, budget)"),
        (
            "class Bad(IterativeAttack): ...",
            "Bad lacks max_displacement(steps), num_steps(epsilon), step(direction, bud",
        ),
        ("def Bad(context, budget): ...", "it must be a class derived from robustbench_seg.Perturbation"),
    ],
)
def test_an_attack_that_cannot_be_run_is_one_line(attacks, plugin, text, message):
    load_plugin(plugin(textwrap.dedent(ATTACK) + text + "\n\nATTACKS.register('bad', 'x')(Bad)\n"))
    for ask in (attacks.get, lambda name: attacks.entry(name).load()):
        with pytest.raises(InputError) as caught:
            ask("bad")
        assert one_line(caught).startswith(f"attack 'bad': {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "class Bad(Task): ...",
            "Bad lacks name, title, key, group, metrics, curve, label_rule, loss(output, label), "
            "output(value, shape, alignment), raw_statistics(outputs, labels, num_classes), "
            "valid(label), values(statistics, weights, scored)",
        ),
        (
            "class Bad(RegionTask):\n    name = title = key = 'bad'\n    group, metrics, curve = None, (), 'error'",
            "Bad lacks errors, loss(output, label), pixel_errors(output, label)",
        ),
        ("Bad = 'edges'", "it must be a class derived from robustbench_seg.tasks.base.Task"),
        (
            "import dataclasses\n@dataclasses.dataclass(eq=False)\nclass Bad(Task):\n    weight: float",
            "parameter 'weight' has no default; write weight: float = 1.0",
        ),
    ],
)
def test_a_task_that_cannot_be_evaluated_is_one_line(monkeypatch, plugin, text, message):
    monkeypatch.setattr(TASKS, "_entries", None)
    imports = "from robustbench_seg import TASKS\nfrom robustbench_seg.tasks.base import Task\n"
    imports += "from robustbench_seg.tasks.regions import RegionTask\n"
    load_plugin(plugin(imports + text + "\nTASKS.register('bad', 'x')(Bad)\n"))
    with pytest.raises(InputError) as caught:
        TASKS.get("bad")
    assert one_line(caught) == f"task 'bad': {message}"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("attacks.fgsm:FSGM", "tool 'saw': attacks.fgsm has no 'FSGM'; correct its line in tools/registry.py"),
        ("attacks.fsgm:FGSM", "tool 'saw': there is no module attacks.fsgm; correct its line in tools/registry.py"),
    ],
)
def test_a_misspelt_line_of_a_registry_is_named(target, message):
    box = Registry("tool", "tools", lambda: built_in("tool", {"saw": (target, "cuts")}, "tools/registry.py"))
    with pytest.raises(InputError) as caught:
        box.get("saw")
    assert one_line(caught) == message


# plugin files


def test_a_plugin_file_registers_under_its_name(attacks, plugin):
    file = plugin("""
        from robustbench_seg.attacks.registry import ATTACKS

        @ATTACKS.register("from_a_file")
        class Mine:
            '''Mine alone.'''
    """)
    load_plugin(file)
    load_plugin(str(file))
    found = attacks.entry("from_a_file")
    assert (found.origin, found.summary) == ("plugin my_plugin.py", "Mine alone.")
    assert registry._origin.get() == "python"


def test_two_plugins_of_one_file_name_are_two(attacks, plugin, tmp_path):
    text = "from robustbench_seg import ATTACKS\nATTACKS.register('{}', 'x')(object())\n"
    (tmp_path / "other").mkdir()
    load_plugin(plugin(text.format("first_one")))
    load_plugin(plugin(text.format("second_one"), "other/my_plugin.py"))
    assert {"first_one", "second_one"} <= set(attacks)


def test_a_missing_plugin_is_named(tmp_path):
    for path in (tmp_path / "nowhere.py", tmp_path):
        with pytest.raises(InputError, match=f"plugin '{re.escape(str(path))}' is not a file") as caught:
            load_plugin(path)
        one_line(caught)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n\ndef f():\n    return 1 / 0\n\nf()\n", r"line 4: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", r"line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise ValueError('two\\nlines')\n", r"line 1: ValueError: two lines"),
        ("x = (\n", r"SyntaxError: .*line 1"),
    ],
)
def test_a_plugin_that_raises_is_named_with_its_line(plugin, text, message):
    file = plugin(text)
    with pytest.raises(InputError, match=f"plugin '{re.escape(str(file))}'.*{message}") as caught:
        load_plugin(file)
    one_line(caught)
    with pytest.raises(InputError):  # and again, not taken for loaded
        load_plugin(file)


def test_a_plugin_that_registers_nothing_says_how(plugin):
    file = plugin("class Mine: ...\n", "registers_nothing.py")
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            load_plugin(file)
        assert one_line(caught) == (
            f"plugin '{file}' registers nothing; put @TASKS.register(\"name\") above a class, or the like"
        )


def test_a_plugin_given_by_a_relative_path_is_named_with_its_line(plugin, monkeypatch):
    monkeypatch.chdir(plugin("x = 1\n1 / 0\n").parent)
    with pytest.raises(InputError, match=r"plugin 'my_plugin.py' line 2: ZeroDivisionError"):
        load_plugin("my_plugin.py")


def test_a_package_that_decorates_what_it_announces_can_be_imported_first(attacks, package):
    __import__(package)
    assert attacks.entry("both_ways").summary == "Announced and decorated."


def test_a_plugin_that_takes_a_name_is_refused(attacks, plugin):
    file = plugin("""
        from robustbench_seg.attacks.registry import ATTACKS

        @ATTACKS.register("pgd")
        class Mine: ...
    """)
    with pytest.raises(UsageError, match=r"attack 'pgd' from plugin my_plugin.py is already registered by built-in"):
        load_plugin(file)
    assert attacks.get("pgd").__module__ == "robustbench_seg.attacks.pgd"


def test_a_file_that_is_no_python_is_refused(plugin):
    with pytest.raises(InputError, match=r"cannot be imported; give a .py file"):
        load_plugin(plugin("x = 1\n", "plugin.txt"))


# what ships


def test_listing_everything_imports_no_torch():
    code = """
        import sys
        from robustbench_seg.registries import REGISTRIES
        for plural, registry in REGISTRIES.items():
            for entry in registry.entries():
                print(plural, entry.name, "|", entry.origin, "|", entry.summary)
        heavy = {"torch", "torchvision", "pandas", "matplotlib", "scipy"} & set(sys.modules)
        assert not heavy, heavy
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in (
        "attacks pgd | built-in",
        "tasks depth | built-in",
        "protocols klingner2020 | shipped",
        "datasets street |",
    ):
        assert line in done.stdout


def test_registries_are_found_by_the_words_of_the_command_line():
    networks = ["networks", "pose_networks"]
    assert list(REGISTRIES) == ["models", *networks, "attacks", "objectives", "datasets", "protocols", "tasks"]
    assert REGISTRIES["models"] is MODELS
    assert "street" in DATASETS


def test_the_six_attacks_and_two_tasks_load():
    assert set(ATTACKS) >= {"gaussian", "salt_and_pepper", "fgsm", "pgd", "dag", "hide"}
    assert set(TASKS) >= {"semantic", "depth"}
    for found in (*ATTACKS.entries(), *TASKS.entries()):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", found.name)
        assert found.summary
        assert isinstance(found.load(), type)


def test_a_listing_survives_unreadable_files(monkeypatch, tmp_path):
    for module in (models_registry, protocol):
        monkeypatch.setattr(module, "shipped", lambda name: tmp_path)
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "good" / "card.toml").write_text('summary = "fine"\n')
    (tmp_path / "bad" / "card.toml").write_text("summary = \n")
    (tmp_path / "mine.toml").write_text('summary = "a protocol"\n')
    for box in (MODELS, PROTOCOLS):
        monkeypatch.setattr(box, "_entries", None)
    assert {e.name: e.summary for e in MODELS.entries()} == {"bad": "(unreadable)", "good": "fine"}
    assert {e.name: e.summary for e in PROTOCOLS.entries()} == {"mine": "a protocol"}
    with pytest.raises(InputError, match=r"mine.toml: no \[\[attack\]\] table"):
        PROTOCOLS.get("mine")


def test_some():
    assert some("abcdef") == "a, b, c, d and 2 more"
    assert some("ab") == "a, b"
