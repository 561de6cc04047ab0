import pickle

from robustbench_seg.evaluation.prepare import PreparedEvaluation


def test_a_job_travels(request_for, tmp_path):
    job = PreparedEvaluation(request_for("toy-single", save_images=True, timeout=9)).job(tmp_path)
    there = pickle.loads(pickle.dumps(job))
    assert there.pictures == job.pictures
    assert there.pictures.folder == tmp_path / "images"
    assert there.execution == job.execution
    assert list(there.plan.work_items(set())) == list(job.plan.work_items(set()))
    assert there.timeout == 9


def test_panels_are_of_the_first_and_the_middle_image(request_for, tmp_path):
    prepared = PreparedEvaluation(request_for("toy-single", limit=7))
    assert prepared.job(tmp_path).pictures.panels == (0, 3)
    assert prepared.job(tmp_path).pictures.folder is None
