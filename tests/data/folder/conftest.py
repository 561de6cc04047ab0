import pytest

from tests.data.folder.farm import CONFIG, IDS, IMAGE


@pytest.fixture
def make(tmp_path, save):
    """A valid folder of images `b` and `a` with labels; text is added to its dataset.toml."""

    def build(extra: str = "", config: str = CONFIG, names: tuple[str, ...] = ("b", "a"), at: str = ""):
        root = tmp_path / "farm"
        for name in names:
            save(root / at / "images" / f"{name}.jpg", IMAGE)
            save(root / at / "labels" / f"{name}.png", IDS)
        (root / "dataset.toml").write_text(config + extra, encoding="utf-8")
        return root

    return build
