"""The library in a notebook, with a real kernel: what is shown is a table, figures and images, not text."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    "import robustbench_seg\n"
    "run = robustbench_seg.evaluate('street-multi', 'street', 'quick', limit=2)\n"
    "run.summary.head()",
    "run.plot()",
    "run.relationships()",
    "model = robustbench_seg.load_model('street-single')\n"
    "sample = robustbench_seg.DATASETS.get('street')()[0]\n"
    "import torch\n"
    "images = torch.from_numpy(sample.image).permute(2, 0, 1)[None] / 255\n"
    "labels = torch.from_numpy(sample.labels['semantic'])[None].long()\n"
    "found = robustbench_seg.attack(model, images, labels, 'pgd', epsilon=4)\n"
    "round(float(found.linf), 3)",
)


@pytest.mark.slow
def test_a_notebook_shows_tables_and_figures(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=tmp_path)
    summary, curves, relations, attacked = (cell.outputs[-1].data for cell in notebook.cells)
    assert "<table" in summary["text/html"]
    assert "data:image/png;base64," in curves["text/html"]
    assert "<table" in relations["text/html"]
    assert "data:image/png;base64," in relations["text/html"]
    assert attacked["text/plain"] == "4.0"
