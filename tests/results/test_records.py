import numpy as np

from robustbench_seg.results.records import pack, unpack


def test_statistics_survive_packing_to_the_bit() -> None:
    given = {"sums": np.random.default_rng(0).normal(size=(3, 8)), "none": np.zeros((0, 4)), "one": np.float64(1 / 3)}
    found = unpack(pack(given))
    assert set(found) == set(given)
    for key, value in given.items():
        assert found[key].shape == np.shape(value)
        assert np.array_equal(found[key], value)


def test_equal_statistics_are_equal_bytes_whatever_their_order() -> None:
    one, two = np.arange(4.0), np.ones((2, 2))
    assert pack({"a": one, "b": two}) == pack({"b": two, "a": one})
