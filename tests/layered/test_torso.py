import torch
from likeness.layered.grid import Grid
from likeness.layered.torso import TorsoShare
from likeness.rig import AVATAR_JOINTS

GRID = Grid.over([-0.1, -0.1, -0.1], [0.1, 0.1, 0.1], 0.01)
ROOT, BODY, NECK = (AVATAR_JOINTS.index(name) for name in ("root", "body", "neck"))


def _weights(*shares: float) -> torch.Tensor:
    weights = torch.zeros(len(shares), len(AVATAR_JOINTS))
    weights[:, BODY] = torch.tensor(shares)
    weights[:, NECK] = 1 - weights[:, BODY]
    return weights


def test_untrained_it_changes_nothing():
    weights = _weights(0.0, 0.005, 0.3, 0.995, 1.0)
    shares = TorsoShare(GRID)(torch.zeros(5, 3), weights)
    torch.testing.assert_close(shares, weights)


def test_it_shifts_weight_only_where_both_have_some():
    torso = TorsoShare(GRID)
    with torch.no_grad():
        torso.shifts.fill_(2.0)
    shifted = torso(torch.zeros(4, 3), _weights(0.0, 0.3, 0.7, 1.0))
    torch.testing.assert_close(shifted.sum(1), torch.ones(4))
    expected = torch.sigmoid(torch.logit(torch.tensor([0.3, 0.7])) + 2)
    torch.testing.assert_close(shifted[1:3, BODY], expected)
    assert shifted[0, BODY] == 0
    assert shifted[3, BODY] == 1


def test_root_and_body_keep_their_parts_of_the_torsos_share():
    torso = TorsoShare(GRID)
    with torch.no_grad():
        torso.shifts.fill_(1.5)
    weights = _weights(0.5, 1.0)
    weights[:, ROOT], weights[:, BODY] = 0.7 * weights[:, BODY], 0.3 * weights[:, BODY]
    shifted = torso(torch.zeros(2, 3), weights)
    moved = torch.sigmoid(torch.tensor(1.5))
    torch.testing.assert_close(shifted[0, [ROOT, BODY, NECK]], torch.stack([0.7 * moved, 0.3 * moved, 1 - moved]))
    torch.testing.assert_close(shifted[1], weights[1])


def test_shifts_are_learned_where_points_lie():
    torso = TorsoShare(GRID)
    torso(torch.full((1, 3), 0.05), _weights(0.5))[0, BODY].backward()
    gradient = torso.shifts.grad
    assert gradient is not None
    touched = gradient.view(torso.grid.shape).nonzero() * torso.grid.cell + torch.tensor(torso.grid.low)
    assert len(touched) > 0
    assert (touched - 0.05).abs().max() <= torso.grid.cell
