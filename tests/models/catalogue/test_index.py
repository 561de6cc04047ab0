from __future__ import annotations

from robustbench_seg.models.catalogue.index import folders


def test_folders_without_a_card_are_not_in_the_catalogue(tmp_path):
    (tmp_path / "untrained").mkdir()
    (tmp_path / "untrained" / "recipe.toml").write_text("")
    assert folders(tmp_path) == {}
