"""Two threads that add to the same places come to the same sum each time."""

import torch
from likeness.layered.repeatability import repeatable_sums


def test_sums_are_the_same_each_time_on_two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50000, 3, generator=generator, requires_grad=True)
    # All terms fall on few places, where threads would meet.
    places = torch.randint(0, 300, (40000, 3), generator=generator)
    upstream = torch.randn(40000, 3, 3, generator=generator)

    def gradient() -> torch.Tensor:
        values.grad = None
        values[places].backward(upstream)
        assert values.grad is not None
        return values.grad

    try:
        with repeatable_sums(torch.device("cpu")):
            first = gradient()
            assert all(torch.equal(gradient(), first) for _ in range(8))
    finally:
        torch.set_num_threads(threads)


def test_torchs_own_setting_comes_back():
    before = torch.are_deterministic_algorithms_enabled()
    with repeatable_sums(torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before
    with repeatable_sums(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled() == before
