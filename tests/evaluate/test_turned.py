"""Heads turned beyond the film are shown, and whether they hold together is told."""

from itertools import pairwise

import numpy as np
import torch
from likeness.evaluate.pictures import CAPTION
from likeness.evaluate.turned import turned_views
from likeness.layered.playback import Player
from likeness.layered.texels import TexelTable

SIZE = 64


def with_opacity(ball, opacity: float, holes: float) -> Player:
    """The ball's avatar, of one opacity, with a share of its texels clear."""
    player = Player(ball)
    textures = player.proxies.textures.clone()
    clear = torch.rand(textures.shape[:3], generator=torch.Generator().manual_seed(0)) < holes
    textures[..., player.proxies.layout.alpha] = torch.where(clear, 0.0, opacity)[..., None]
    player.table = TexelTable(textures, player.proxies.layout)
    return player


def test_a_closed_head_is_in_one_piece_and_one_with_holes_is_not(ball, ball_capture):
    closed, torn = (turned_views(with_opacity(ball, 1.0, holes), ball_capture, SIZE)[1] for holes in (0.0, 0.9))
    for place in ("ragged_filmed", "ragged_beyond"):
        assert closed[place]["value"] < 1
        assert torn[place]["value"] > 10


def test_the_sheet_shows_both_axes_from_beyond_one_end_to_beyond_the_other(ball, ball_capture):
    sheet, _ = turned_views(Player(ball), ball_capture, SIZE)
    height = SIZE + CAPTION
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 5 * SIZE
    assert sheet.shape[0] >= 2 * height
    pictures = [sheet[:SIZE, SIZE * place : SIZE * (place + 1)] for place in range(5)]
    # Every turn shows something else.
    assert all((first != second).any() for first, second in pairwise(pictures))
