"""A film is read whole and upright or refused, and the square that holds the head is chosen."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from films import ffmpeg, noise_film, write_film
from likeness.capture import video
from likeness.capture.pictures import MAXIMUM_SIDE
from likeness.capture.video import HEAD_OVER_FACE, Crop, head_crop, open_video
from likeness.capture.video_colours import TO_SRGB_PRIMARIES, Colours
from likeness.errors import LikenessError
from likeness.runtime.colour import linear_to_srgb, srgb_to_linear


def test_frames_come_in_order_in_rgb_with_their_rate(tmp_path):
    levels = [np.full((32, 48, 3), (200, 10 * index, 30), np.uint8) for index in range(12)]
    film = open_video(write_film(tmp_path / "film.mp4", levels, frame_rate=30))
    frames = list(film.frames())
    assert (film.frame_rate, film.promised, len(frames)) == (30, 12, 12)
    assert (film.seconds, film.width, film.height) == (0.4, 48, 32)
    for frame, level in zip(frames, levels, strict=True):
        # Video keeps 219 steps of brightness and rounds colours; the encoder adds a little.
        assert np.abs(frame.mean((0, 1)) - level[0, 0]).max() <= 4


def test_a_film_that_lies_on_its_side_is_turned_upright(tmp_path):
    upright = np.zeros((64, 32, 3), np.uint8)
    upright[:32, :, 0] = 255  # red above
    lying = [np.rot90(upright)] * 5
    write_film(tmp_path / "lying.mp4", lying)
    ffmpeg("-display_rotation", "-90", "-i", tmp_path / "lying.mp4", "-c", "copy", tmp_path / "told.mp4")
    frame = next(open_video(tmp_path / "told.mp4").frames())
    assert frame.shape == (64, 32, 3)
    assert frame[10, 16, 0] > 200 and frame[54, 16, 0] < 50


@pytest.mark.parametrize("content", [b"", b"this is no film", b"\0" * 100_000])
def test_other_files_are_refused(tmp_path, capfd, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(LikenessError, match=r"film\.mp4 is not a video that can be read"):
        open_video(tmp_path / "film.mp4")
    assert capfd.readouterr() == ("", "")


def test_a_missing_film_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "nothing.mp4", tmp_path, tmp_path / "pipe.mp4"):
        with pytest.raises(LikenessError, match="There is no video at"):
            open_video(path)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    """OpenCV would end the process."""
    with pytest.raises(LikenessError, match=r"The name .*caf\ufffd\.mp4 is not UTF-8; rename the file") as caught:
        open_video(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("size", "aspect", "told"),
    [((MAXIMUM_SIDE + 2, 32), "1", "8194x32"), ((32, MAXIMUM_SIDE + 2), "1", "32x8194"), ((4100, 32), "2", "8200x32")],
    ids=["wide", "high", "stretched"],
)
def test_absurdly_large_pictures_are_refused(tmp_path, size, aspect, told):
    colour = f"color=gray:size={size[0]}x{size[1]}:rate=25:duration=0.08"
    ffmpeg("-f", "lavfi", "-i", colour, "-vf", f"setsar={aspect}", tmp_path / "film.mp4")
    with pytest.raises(LikenessError, match=rf"film\.mp4 shows {told} pixels; at most {MAXIMUM_SIDE} a side"):
        open_video(tmp_path / "film.mp4")


def test_size_is_looked_at_before_a_picture_is_decoded(tmp_path, monkeypatch):
    ffmpeg("-f", "lavfi", "-i", f"color=gray:size={MAXIMUM_SIDE + 2}x32:duration=0.1", tmp_path / "film.mp4")
    decoded: list[Path] = []
    opened = video._opened

    def watched(path: Path) -> SimpleNamespace:
        reader = opened(path)
        return SimpleNamespace(get=reader.get, release=reader.release, read=lambda: decoded.append(path))

    monkeypatch.setattr(video, "_opened", watched)
    with pytest.raises(LikenessError, match="at most"):
        open_video(tmp_path / "film.mp4")
    assert not decoded


@pytest.mark.parametrize("suffix", ["mkv", "webm"])
def test_a_whole_film_of_variable_rate_is_not_called_cut_off(tmp_path, suffix):
    """These files do not tell how many frames they hold; time and rate say a hundred."""
    pictures = [np.full((32, 32, 3), 2 * index, np.uint8) for index in range(100)]
    write_film(tmp_path / "even.mp4", pictures)
    film = tmp_path / f"uneven.{suffix}"
    ffmpeg("-i", tmp_path / "even.mp4", "-vf", "select=not(mod(n\\,3))", "-fps_mode", "vfr", film)
    uneven = open_video(film)
    assert uneven.promised > 90
    assert len(list(uneven.frames())) == 34


def test_a_film_of_variable_rate_that_is_cut_off_is_refused(tmp_path):
    noise_film(tmp_path / "even.mp4", 100)
    ffmpeg("-i", tmp_path / "even.mp4", "-vf", "select=not(mod(n\\,3))", "-fps_mode", "vfr", tmp_path / "uneven.mkv")
    whole = (tmp_path / "uneven.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LikenessError, match=r"cut\.mkv is cut off"):
        list(open_video(tmp_path / "cut.mkv").frames())


def test_a_film_that_is_cut_off_is_refused(tmp_path, capfd):
    whole = noise_film(tmp_path / "whole.mp4", 40).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LikenessError, match=r"cut\.mp4 is cut off: \d+ of its 40 frames"):
        list(open_video(tmp_path / "cut.mp4").frames())
    assert capfd.readouterr().err == ""


def test_a_film_without_pictures_is_refused(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.mp4")
    with pytest.raises(LikenessError, match=r"sound\.mp4"):
        list(open_video(tmp_path / "sound.mp4").frames())


def test_the_crop_holds_the_head_in_all_frames():
    boxes = np.array([[600, 300, 700, 420], [640, 310, 740, 430]], np.float32)
    crop = head_crop(boxes, 1920, 1080, 512)
    for left, top, right, bottom in boxes:
        margin = (HEAD_OVER_FACE - 1) / 2 * (bottom - top) - 1
        assert crop.left <= left - margin and crop.left + crop.side >= right + margin
        assert crop.top <= top - margin and crop.top + crop.side >= bottom + margin
    assert crop.side < 400 and crop.size == crop.side  # a small part is not enlarged


@pytest.mark.parametrize("size", [256, 512])
def test_the_crop_stays_inside_the_picture(size):
    boxes = np.array([[10, 5, 300, 400]], np.float32)
    crop = head_crop(boxes, 720, 640, size)
    assert crop == Crop(left=0, top=0, side=640, size=size, middle=(360 * size / 640, size / 2))
    assert crop.of(np.zeros((640, 720, 3), np.uint8)).shape == (size, size, 3)


def test_frames_come_with_their_times_and_from_anywhere(tmp_path):
    pictures = [np.full((32, 32, 3), 20 * index, np.uint8) for index in range(10)]
    write_film(tmp_path / "film.mp4", pictures)
    # One frame of four is taken out: a variable rate, as phones make in bad light.
    ffmpeg(
        "-i", tmp_path / "film.mp4", "-vf", "select=not(eq(mod(n\\,4)\\,2))", "-fps_mode", "vfr", tmp_path / "vfr.mp4"
    )
    film = open_video(tmp_path / "vfr.mp4")
    times = [seconds for seconds, _ in film.timed_frames()]
    assert times == pytest.approx([index / 25 for index in range(10) if index % 4 != 2], abs=1e-3)
    later = list(film.timed_frames(first=3))
    assert [seconds for seconds, _ in later] == pytest.approx(times[3:])
    # Black is 16 in a video and white 235, and frames are 20 apart; frame 4 is the fourth that is left.
    assert np.abs(later[0][1].mean() - 80) <= 4


def encoded(path, *options):
    ffmpeg("-f", "lavfi", "-i", "color=0xB07030:size=64x64:rate=25:duration=0.4", "-c:v", "libx264", *options, path)
    return path


@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
def test_hdr_is_refused(tmp_path, transfer):
    colours = f"transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc"
    film = encoded(tmp_path / "hdr.mp4", "-pix_fmt", "yuv420p10le", "-x264-params", colours)
    with pytest.raises(LikenessError, match=r"hdr\.mp4 is an HDR video; film with HDR switched off"):
        open_video(film)


def test_wide_colours_are_converted_and_this_is_said(tmp_path):
    primaries = ("-x264-params", "colorprim=smpte432:transfer=bt709:colormatrix=bt709", "-pix_fmt", "yuv420p")
    wide = open_video(encoded(tmp_path / "wide.mp4", *primaries))
    assert wide.colours.said == "wide colours (Display P3), converted to sRGB"
    ordinary = ("-x264-params", "colorprim=bt709:transfer=bt709:colormatrix=bt709", "-pix_fmt", "yuv420p")
    plain = open_video(encoded(tmp_path / "plain.mp4", *ordinary))
    found, same_codes = (next(iter(film.frames()))[32, 32] / 255 for film in (wide, plain))
    light = srgb_to_linear(same_codes) @ TO_SRGB_PRIMARIES.T
    # Half a code for rounding, and as much for the steps between tabulated lights.
    assert np.abs(255 * (found - linear_to_srgb(light.clip(0, 1)))).max() <= 1
    # The orange of the film is more orange than the same numbers in sRGB.
    assert found[0] - found[2] > same_codes[0] - same_codes[2] + 0.03


def test_grey_is_grey_in_every_gamut():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    # Below code 10 one of the tabulated lights may stand for the next code.
    apart = np.abs(Colours(wide=True).srgb(greys).astype(int) - greys)
    assert apart.max() <= 1 and not apart[10:].any()


def test_ten_bits_are_rounded_and_this_is_said(tmp_path):
    deep = open_video(encoded(tmp_path / "deep.mp4", "-pix_fmt", "yuv420p10le"))
    assert deep.colours.said == "10 bits a channel, rounded to 8"
    plain = open_video(encoded(tmp_path / "plain.mp4", "-pix_fmt", "yuv420p"))
    assert plain.colours.said == ""
    pairs = zip(deep.frames(), plain.frames(), strict=True)
    # Each of them is within a step of the colour that both were made of.
    assert max(np.abs(a.astype(int) - b).max() for a, b in pairs) <= 2
