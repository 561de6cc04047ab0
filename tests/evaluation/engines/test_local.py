import pytest

from robustbench_seg.results.store import Store


@pytest.mark.slow
def test_a_killed_worker_leaves_no_trace_but_its_name(faulty_run, without_fault, tmp_path):
    expected = without_fault("kill")
    run = faulty_run(tmp_path / "run", "kill", workers=2)
    assert (tmp_path / "marker").exists()
    assert run.info["failures"] == {}
    assert (run.folder / "summary.csv").read_bytes() == expected


@pytest.mark.slow
def test_what_kills_its_worker_every_time_fails_alone_and_is_left_to_do(faulty_run, tmp_path):
    run = faulty_run(tmp_path / "run", "kill", every_time=True, workers=2, limit=2)
    status = run.summary.groupby("attack").status.agg(set).to_dict()
    assert status == {"clean": {"ok"}, "gaussian": {"ok"}, "deadly": {"failed"}}
    ((error, count),) = run.info["failures"].items()
    assert "died" in error
    assert count == 2
    with Store(run.folder / "store.sqlite") as store:
        assert store.done() == {(0, 0, 0, 2), (0, 1, 0, 2)}
    # One piece is left, and must not be done by a worker that would take this process along.
    again = faulty_run(tmp_path / "run", "kill", every_time=True, workers=2, limit=2)
    assert again.info["failures"] == {error: count}


@pytest.mark.slow
def test_a_hung_worker_is_stopped_and_its_work_item_tried_again(faulty_run, without_fault, tmp_path):
    expected = without_fault("hang")
    run = faulty_run(tmp_path / "run", "hang", workers=1, timeout=5)
    assert (tmp_path / "marker").exists()
    assert run.info["failures"] == {}
    assert (run.folder / "summary.csv").read_bytes() == expected
