"""An ablation's rows: each changes one thing."""

from dataclasses import replace

from likeness.evaluate.ablation_rows import variants
from likeness.layered.presets import PREVIEW, with_overrides

SIZES = ("layers", "bases", "mesh", "texture")


def test_the_papers_rows_change_one_thing_each():
    rows = variants(PREVIEW, SIZES)
    assert [row.name for row in rows if row.group == "layers"] == ["1", "2", "4", "8"]
    assert [len(row.preset.geometry.levels) for row in rows if row.group == "layers"] == [1, 2, 4, 8]
    assert [row.preset.basis_count for row in rows if row.group == "bases"] == [1, 2, 4, 8, 16]
    assert [row.preset.geometry.shell_faces for row in rows if row.group == "mesh"] == [3000, 6000, 12000]
    assert [row.preset.tile_size for row in rows if row.group == "texture"] == [256, 512, 1024]
    assert sum(row.preset == PREVIEW for row in rows) == 4
    for row in rows:
        assert with_overrides(row.preset, []) is row.preset
        geometry = row.preset.geometry
        kept = {
            "layers": replace(row.preset, geometry=PREVIEW.geometry),
            "bases": replace(row.preset, basis_count=PREVIEW.basis_count),
            "mesh": replace(
                row.preset,
                geometry=replace(
                    geometry,
                    core_faces=PREVIEW.geometry.core_faces,
                    head_faces=PREVIEW.geometry.head_faces,
                    shell_faces=PREVIEW.geometry.shell_faces,
                ),
            ),
            "texture": replace(row.preset, tile_size=PREVIEW.tile_size),
        }
        assert kept[row.group] == PREVIEW, row
        if row.group == "layers":
            assert geometry == PREVIEW.geometry.with_layers(int(row.name))


def test_training_can_do_without_each_of_its_parts():
    rows = {row.name: row.preset for row in variants(PREVIEW, ["training"])}
    assert rows["without fine-tuning"].fine_tuning.steps == 0
    assert rows["without camera and pose refinement"].fine_tuning.correction_start == 1
    with_loss = replace(PREVIEW, fine_tuning=replace(PREVIEW.fine_tuning, perceptual_weight=0.3))
    rows = {row.name: row.preset for row in variants(with_loss, ["training"])}
    assert rows["without perceptual loss"].fine_tuning.perceptual_weight == 0


def test_baking_is_measured_against_what_it_bakes():
    rows = [row for row in variants(PREVIEW, ["training"]) if row.preset.geometry.stage_one.keep_look]
    assert [row.before_baking for row in rows] == [True, False]
    assert rows[0].preset == rows[1].preset


def test_stage_one_is_measured_against_hull_shells():
    rows = {row.name: row.preset for row in variants(replace(PREVIEW, stage_one_share=0.0), ["surface"])}
    shares = [preset.stage_one_share > 0 for preset in rows.values()]
    assert shares == [False, True, True, True]
    assert [preset.geometry.stage_one.geometry_start < 1 for preset in rows.values()][1:] == [False, True, True]
    assert [preset.geometry.stage_one.refinement_steps > 0 for preset in rows.values()] == [False, False, False, True]


def test_the_head_mesh_and_each_loss_can_be_left_out():
    with_mesh, without = (row.preset for row in variants(PREVIEW, ["head"]))
    assert with_mesh == PREVIEW
    assert not without.geometry.head_mesh
    losses = [row.preset.fine_tuning for row in variants(PREVIEW, ["losses"])][1:]
    zeros = [
        [name for name, value in vars(tuning).items() if value != getattr(PREVIEW.fine_tuning, name)]
        for tuning in losses
    ]
    assert zeros == [
        ["distortion_weight"],
        ["alpha_weight"],
        ["balance_weight"],
        ["expression_noise"],
        ["condition_dropout"],
        ["agreement_weight"],
        ["turned_weight"],
    ]


def test_every_row_can_be_learnt():
    for row in variants(PREVIEW):
        assert with_overrides(row.preset, []) is row.preset


def test_what_the_decoder_is_told_and_gives_is_turned_round():
    rows = {row.name: row.preset for row in variants(PREVIEW, ["decoder"])}
    assert rows["told view directions"] == replace(PREVIEW, view_directions=True)
    assert rows["one opacity for all bases"] == replace(PREVIEW, shared_alpha=True)
    papers = replace(PREVIEW, view_directions=True, shared_alpha=True)
    rows = {row.name: row.preset for row in variants(papers, ["decoder"])}
    assert rows["not told view directions"] == replace(papers, view_directions=False)
    assert rows["an opacity for each basis"] == replace(papers, shared_alpha=False)
