import pytest

from robustbench_seg.report.write import write_report
from tests.report.fake_run import FakeRun, fake_run
from tests.report.html_text import Page, parse


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """The made-up run, its report written once."""
    made = fake_run(tmp_path_factory.mktemp("runs") / "demo")
    write_report(made)
    return made


@pytest.fixture(scope="session")
def html(run: FakeRun) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return parse(html)
