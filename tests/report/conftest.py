import pytest

from robustbench_seg.report.write import write_report
from tests.report.fake_run import FakeRun, fake_run
from tests.report.html_text import Page, parse


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """The made-up run."""
    return fake_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="session")
def html(run: FakeRun) -> str:
    """The report of the made-up run, written once."""
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return parse(html)
