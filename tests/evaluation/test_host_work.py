"""The host's part of the work: at once on a CPU, beside the device's on a GPU and never far behind it."""

import threading

import pytest

from robustbench_seg.evaluation.host_work import MOST_AHEAD, HostWork


def refuse():
    raise ValueError("no")


def test_on_a_cpu_work_is_done_at_once():
    work = HostWork("cpu")
    assert work.submit(threading.get_ident).result() == threading.get_ident()
    with pytest.raises(ValueError, match="no"):
        work.submit(refuse)


def test_on_a_gpu_work_is_done_beside_it_and_in_order():
    work, done, may_go = HostWork("cuda"), [], threading.Event()
    futures = [work.submit(may_go.wait), *(work.submit(lambda i=i: done.append(i)) for i in range(MOST_AHEAD - 1))]
    assert not any(future.done() for future in futures)
    may_go.set()
    for future in futures:
        future.result()
    assert done == list(range(MOST_AHEAD - 1))
    failed = work.submit(refuse)
    with pytest.raises(ValueError, match="no"):
        failed.result()


def test_on_a_gpu_no_more_is_taken_than_may_be_left_to_do():
    work, may_go, taken = HostWork("cuda"), threading.Event(), threading.Event()
    for _ in range(MOST_AHEAD):
        work.submit(may_go.wait)

    def submit():
        work.submit(lambda: None)
        taken.set()

    submitting = threading.Thread(target=submit)
    submitting.start()
    assert not taken.wait(0.05)
    may_go.set()
    assert taken.wait(10)
    submitting.join()
