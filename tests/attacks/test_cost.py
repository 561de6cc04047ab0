from robustbench_seg.attacks.cost import Cost


def test_costs_add_up_and_the_highest_peak_counts():
    assert Cost(1, 2, 0.5, 10.0) + Cost(3, 4, 0.25, 7.0) == Cost(4, 6, 0.75, 10.0)
    assert Cost() + Cost(1) == Cost(1)
