"""Warp kernels of :mod:`.texels`: sampling 8-bit textures, spreading gradients over them, and Adam."""

# In Warp's kernels only int() and float() make a variable that a loop may change.
# ruff: noqa: UP018, RUF046
# pyright: reportOperatorIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import warp as wp


@wp.struct
class Taps:
    """The four texels around a point, rows of the table, and their weights."""

    rows: wp.vec4i
    fx: float
    fy: float


@wp.func
def _taps(uv: wp.vec2, layer: int, size: int) -> Taps:
    x = uv[0] * float(size) - 0.5
    y = uv[1] * float(size) - 0.5
    column = wp.floor(x)
    row = wp.floor(y)
    left = wp.clamp(int(column), 0, size - 1)
    right = wp.clamp(int(column) + 1, 0, size - 1)
    top = (layer * size + wp.clamp(int(row), 0, size - 1)) * size
    bottom = (layer * size + wp.clamp(int(row) + 1, 0, size - 1)) * size
    taps = Taps()
    taps.rows = wp.vec4i(top + left, top + right, bottom + left, bottom + right)
    taps.fx = x - column
    taps.fy = y - row
    return taps


@wp.kernel(enable_backward=False)
def sample_texels(
    codes: wp.array2d(dtype=wp.uint8),
    curve: wp.array2d(dtype=float),
    colour_count: int,
    size: int,
    uv: wp.array(dtype=wp.vec2),
    layers: wp.array(dtype=wp.int32),
    values: wp.array2d(dtype=float),
):
    """Bilinear values (N, C) at points (N, 2) of layers (N,); ``curve`` decodes colours by row 0, others by row 1."""
    hit = wp.tid()
    taps = _taps(uv[hit], layers[hit], size)
    a = taps.rows[0]
    b = taps.rows[1]
    c = taps.rows[2]
    d = taps.rows[3]
    for channel in range(values.shape[1]):
        kind = int(0)
        if channel >= colour_count:
            kind = int(1)
        top = wp.lerp(curve[kind, int(codes[a, channel])], curve[kind, int(codes[b, channel])], taps.fx)
        bottom = wp.lerp(curve[kind, int(codes[c, channel])], curve[kind, int(codes[d, channel])], taps.fx)
        values[hit, channel] = wp.lerp(top, bottom, taps.fy)


@wp.kernel(enable_backward=False)
def scatter_gradients(
    codes: wp.array2d(dtype=wp.uint8),
    curve: wp.array2d(dtype=float),
    slope: wp.array2d(dtype=float),
    colour_count: int,
    size: int,
    uv: wp.array(dtype=wp.vec2),
    layers: wp.array(dtype=wp.int32),
    upstream: wp.array2d(dtype=float),
    gradient: wp.array2d(dtype=float),
    marks: wp.array(dtype=wp.int32),
    touched: wp.array(dtype=wp.int32),
    touched_count: wp.array(dtype=wp.int32),
    uv_wanted: int,
    uv_gradient: wp.array(dtype=wp.vec2),
):
    """Add the samples' gradients to the texels', list what was touched, and find the points' own if wanted."""
    hit = wp.tid()
    taps = _taps(uv[hit], layers[hit], size)
    for tap in range(4):
        row = taps.rows[tap]
        if wp.atomic_add(marks, row, 1) == 0:
            touched[wp.atomic_add(touched_count, 0, 1)] = row
    a = taps.rows[0]
    b = taps.rows[1]
    c = taps.rows[2]
    d = taps.rows[3]
    wa = (1.0 - taps.fx) * (1.0 - taps.fy)
    wb = taps.fx * (1.0 - taps.fy)
    wc = (1.0 - taps.fx) * taps.fy
    wd = taps.fx * taps.fy
    du = float(0.0)
    dv = float(0.0)
    for channel in range(upstream.shape[1]):
        kind = int(0)
        if channel >= colour_count:
            kind = int(1)
        g = upstream[hit, channel]
        code_a = int(codes[a, channel])
        code_b = int(codes[b, channel])
        code_c = int(codes[c, channel])
        code_d = int(codes[d, channel])
        wp.atomic_add(gradient, a, channel, g * wa * slope[kind, code_a])
        wp.atomic_add(gradient, b, channel, g * wb * slope[kind, code_b])
        wp.atomic_add(gradient, c, channel, g * wc * slope[kind, code_c])
        wp.atomic_add(gradient, d, channel, g * wd * slope[kind, code_d])
        if uv_wanted != 0:
            value_a = curve[kind, code_a]
            value_b = curve[kind, code_b]
            value_c = curve[kind, code_c]
            value_d = curve[kind, code_d]
            du += g * wp.lerp(value_b - value_a, value_d - value_c, taps.fy)
            dv += g * wp.lerp(value_c - value_a, value_d - value_b, taps.fx)
    if uv_wanted != 0:
        uv_gradient[hit] = wp.vec2(du * float(size), dv * float(size))


# Native code, because the number of channels is known only at run time: loops over pointers vectorise, loops over
# Warp's strided arrays do not.
_ADAM = """
    const size_t start = (size_t)row * channels;
    float* __restrict__ value = values.data + start;
    float* __restrict__ slope = gradient.data + start;
    float* __restrict__ m = first.data + start;
    float* __restrict__ v = second.data + start;
    uint8_t* __restrict__ code = codes.data + start;
    const int colours = 3 * basis_count;
    const int opacities_end = colours + alpha_count;
    float mean[3] = {0.0f, 0.0f, 0.0f};
    for (int c = 0; c < colours; ++c) mean[c % 3] += value[c];
    for (int c = 0; c < channels; ++c) {
        m[c] = first_decay * m[c] + (1.0f - first_decay) * slope[c];
        v[c] = second_decay * v[c] + (1.0f - second_decay) * slope[c] * slope[c];
        slope[c] = 0.0f;
        const float length = c >= colours && c < opacities_end ? alpha_rate : rate;
        value[c] -= length * (m[c] * first_correction) / (sqrtf(v[c] * second_correction) + 1e-12f);
    }
    if (agreement > 0.0f)
        for (int c = 0; c < colours; ++c) value[c] += rate * agreement * (mean[c % 3] / basis_count - value[c]);
    // Adam divides a basis's gradient by its own mean, so one with a thousandth of a picture changes as fast as others,
    // on noise, and would show that where the head turns farther than it was filmed.
    const auto say_of = [v](int b) {
        const float* square = v + 3 * b;
        return sqrtf(square[0] + square[1] + square[2] + 1e-20f);
    };
    float total = 0.0f, most = 0.0f, look[3] = {0.0f, 0.0f, 0.0f};
    for (int b = 0; b < basis_count; ++b) {
        const float say = say_of(b);
        total += say;
        most = say > most ? say : most;
        for (int k = 0; k < 3; ++k) look[k] += say * value[3 * b + k];
    }
    for (int b = 0; b < basis_count; ++b) {
        const float farthest = reach + say_of(b) / most;
        for (int k = 0; k < 3; ++k) {
            const float middle = look[k] / total, away = value[3 * b + k] - middle;
            value[3 * b + k] = middle + (away > farthest ? farthest : (away < -farthest ? -farthest : away));
        }
    }
    for (int c = 0; c < channels; ++c) {
        value[c] = value[c] < 0.0f ? 0.0f : (value[c] > 1.0f ? 1.0f : value[c]);
        code[c] = (uint8_t)(int)(value[c] * 255.0f + 0.5f);
    }
"""


@wp.func_native(_ADAM)
def _adam_row(
    row: int,
    channels: int,
    rate: float,
    alpha_rate: float,
    first_decay: float,
    second_decay: float,
    first_correction: float,
    second_correction: float,
    basis_count: int,
    alpha_count: int,
    agreement: float,
    reach: float,
    values: wp.array(dtype=float),
    codes: wp.array(dtype=wp.uint8),
    gradient: wp.array(dtype=float),
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
): ...


@wp.kernel(enable_backward=False)
def step_texels(
    touched: wp.array(dtype=wp.int32),
    channels: int,
    rate: float,
    haste: float,
    first_decay: float,
    second_decay: float,
    basis_count: int,
    alpha_count: int,
    agreement: float,
    reach: float,
    values: wp.array(dtype=float),
    codes: wp.array(dtype=wp.uint8),
    gradient: wp.array(dtype=float),
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
    visits: wp.array(dtype=wp.int32),
    marks: wp.array(dtype=wp.int32),
):
    """One step of Adam for each texel touched, and its new 8-bit value.

    A basis keeps within ``reach`` of what the texel's bases look like, weighted by their say, plus its own say: its
    share of the largest root mean square gradient among them.
    """
    row = touched[wp.tid()]
    marks[row] = 0
    visit = visits[row] + 1
    visits[row] = visit
    first_correction = 1.0 / (1.0 - wp.pow(first_decay, float(visit)))
    second_correction = 1.0 / (1.0 - wp.pow(second_decay, float(visit)))
    _adam_row(
        row,
        channels,
        rate,
        rate * (1.0 + haste / float(visit)),
        first_decay,
        second_decay,
        first_correction,
        second_correction,
        basis_count,
        alpha_count,
        agreement,
        reach,
        values,
        codes,
        gradient,
        first,
        second,
    )
