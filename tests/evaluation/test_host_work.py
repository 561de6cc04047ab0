"""The host's part of the work: at once on a CPU, beside the device's on a GPU."""

import threading

import pytest

from robustbench_seg.evaluation.host_work import HostWork


def refuse():
    raise ValueError("no")


def test_on_a_cpu_work_is_done_at_once():
    work = HostWork("cpu")
    assert work.submit(threading.get_ident).result() == threading.get_ident()
    with pytest.raises(ValueError, match="no"):
        work.submit(refuse)


def test_on_a_gpu_work_is_done_beside_it_and_in_order():
    work, done, may_go = HostWork("cuda"), [], threading.Event()
    futures = [work.submit(may_go.wait), *(work.submit(lambda i=i: done.append(i)) for i in range(5))]
    assert not any(future.done() for future in futures)
    may_go.set()
    for future in futures:
        future.result()
    assert done == list(range(5))
    failed = work.submit(refuse)
    with pytest.raises(ValueError, match="no"):
        failed.result()
