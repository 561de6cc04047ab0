import signal
import threading

from robustbench_seg.evaluation.engines import start_method
from robustbench_seg.evaluation.engines.start_method import ignoring_interrupts


def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_what_is_started_in_the_block_never_sees_ctrl_c():
    with ignoring_interrupts():
        assert blocked()
    assert not blocked()


def test_other_threads_are_left_as_they_are():
    seen = []

    def work():
        with ignoring_interrupts():
            seen.append(blocked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_the_server_imports_the_worker(monkeypatch):
    asked = []
    for name in ("set_forkserver_preload", "ensure_running"):
        monkeypatch.setattr(start_method.forkserver, name, lambda *given: asked.append(given))
    monkeypatch.setattr(start_method, "METHOD", "forkserver")
    start_method.warm_up()
    assert asked == [(["robustbench_seg.evaluation.engines.local"],), ()]
