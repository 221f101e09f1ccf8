import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from pydantic import ValidationError

from aimicro.cli.config import (
    ConfigError,
    TrainingConfig,
    config_schema,
    halving_epochs,
    image_pairs,
    read_config,
    write_config,
)


def printed(folder: str, training: tuple[str, str], validation: tuple[str, str] | None,
            epochs: int, steps: int) -> str:  # fmt: skip
    """Return a configuration as the published tutorials print them: blanks, commas and all."""
    lines = ["{  "]
    for key, names in (("training", training), ("validation", validation)):
        if names:
            lines += [f'  "{key}_data_dir": {{  ']
            lines += [
                f'    "{kind}": "E:{folder}{name}"{comma}  '.replace("/", r"\\")
                for kind, name, comma in zip(("raw", "gt"), names, (",", ""), strict=True)
            ]
            lines += ["  },  "]
    sizes = {"channels": 32, "residual_blocks": 3, "residual_groups": 5}
    lines += ["", *(f'  "num_{name}": {size},' for name, size in sizes.items())]
    lines += [f'  "epochs": {epochs},', f'  "steps_per_epoch": {steps},']
    return "\n".join([*lines, '    "initial_learning_rate": 1e-4  ', "}"])


PRINTED = {
    "denoise": printed("/Denoising/Tomm20_Mitochondria/", ("Training/Raw", "Training/GT"),
                       ("Val/raw", "Val/gt"), 100, 256),
    "decon": printed("/data_decon/", ("Decon_Training_Data/Raw", "Decon_Training_Data/gt"),
                     ("Decon_val_Data/Raw", "Decon_val_Data/gt"), 200, 256),
    "deabe": printed("/data_aberration/CropForTraining_ab/", ("Aberrated", "GT"),
                     ("Validation/Aberrated", "Validation/GT"), 100, 100),
    "sr": printed("/Confocal_2_STED/Microtubule/Training/", ("raw", "gt1"), None, 100, 256),
}  # fmt: skip

FOLDERS = {"training_data_dir": {"raw": "train/raw", "gt": "train/gt"}}
DEFAULTS = {
    "training_data_dir": None,
    "training_image_pairs": None,
    "validation_data_dir": None,
    "validation_image_pairs": None,
    "input_shape": None,
    "num_channels": 32,
    "channel_reduction": 8,
    "num_residual_blocks": 3,
    "num_residual_groups": 5,
    "epochs": 300,
    "steps_per_epoch": 256,
    "data_augmentation": True,
    "intensity_threshold": 0.25,
    "area_ratio_threshold": 0.5,
    "initial_learning_rate": 1e-4,
    "loss": "mae",
    "metrics": ("psnr",),
    "seed": 0,
    "batch_size": 1,
    "early_stopping_patience": None,
    "learning_rate_schedule": "halving",
    "mixed_precision": "auto",
    "validation_patches": 16,
    "memory_limit_gb": 4.0,
    "task": "restore",
    "pair_by_order": False,
}
COUNTS = ("num_residual_blocks", "num_residual_groups", "epochs", "steps_per_epoch", "batch_size",
          "early_stopping_patience", "validation_patches")  # fmt: skip

paths = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
pairs = st.fixed_dictionaries({"raw": paths, "gt": paths})
counts = st.integers(1, 2**40)
configs = st.fixed_dictionaries(
    {"training_image_pairs": st.lists(pairs, min_size=1, max_size=3)},
    optional={
        "training_data_dir": pairs,
        "validation_data_dir": pairs,
        "validation_image_pairs": st.lists(pairs, min_size=1, max_size=3),
        "input_shape": st.lists(counts, min_size=2, max_size=3),
        "num_channels": st.integers(8, 2**40),
        "channel_reduction": st.integers(1, 8),
        "data_augmentation": st.booleans(),
        "intensity_threshold": st.floats(allow_nan=False, allow_infinity=False),
        "area_ratio_threshold": st.floats(0, 1),
        "initial_learning_rate": st.floats(1e-6, allow_infinity=False),
        "loss": st.sampled_from(["mae", "mse", "ssim", "mae+ssim"]),
        "metrics": st.lists(st.sampled_from(["psnr", "ssim"])),
        "seed": st.integers(0, 2**32 - 1),
        "learning_rate_schedule": st.sampled_from(["halving", "cosine", "constant"]),
        "mixed_precision": st.sampled_from(["auto", "float32", "bfloat16"]),
        "memory_limit_gb": st.floats(0, exclude_min=True, allow_infinity=False),
        "pair_by_order": st.booleans(),
        **dict.fromkeys(COUNTS, counts),
    },
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**33)
    | st.floats(allow_nan=False, allow_infinity=False)
    # No control characters: to Python, unlike JSON schema, $ also matches before a last line break.
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=5)
    | st.sampled_from(["mae", "ssim", "auto", "halving"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
once_a_folder = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def read(file: Path, content: object) -> TrainingConfig:
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_config(file)


def complaint(file: Path, content: object) -> str:
    """What is said about a file, after its name."""
    with pytest.raises(ConfigError) as caught:
        read(file, content)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(file))
    return message.removeprefix(str(file))


class TestTrainingConfig:
    def test_keys_and_defaults_are_the_published_ones_and_the_new_ones(self) -> None:
        config = TrainingConfig.model_validate(FOLDERS)
        assert config.model_dump() == DEFAULTS | FOLDERS

    @pytest.mark.parametrize("key", [*COUNTS, "num_channels", "channel_reduction"])
    def test_counts_begin_with_one(self, file: Path, key: str) -> None:
        assert getattr(read(file, {**FOLDERS, "channel_reduction": 1, key: 1}), key) == 1
        said = complaint(file, {**FOLDERS, key: 0})
        assert said.startswith(f", {key}: Expected 1 or more, got 0. Leave {key} out for its de")

    @pytest.mark.parametrize(
        ("key", "inside", "outside", "expected"),
        [
            ("area_ratio_threshold", 0, -1e-9, "0 or more"),
            ("area_ratio_threshold", 1, 1.000001, "1 or less"),
            ("initial_learning_rate", 1e-6, 9.99e-7, "1e-06 or more"),
            ("seed", 0, -1, "0 or more"),
            ("seed", 2**32 - 1, 2**32, "less than 4294967296"),
            ("memory_limit_gb", 1e-9, 0, "more than 0"),
            ("input_shape", [1, 1], [1, 0], "1 or more"),
            ("input_shape", [8, 32, 32], [1, 8, 32, 32], "a list of 3 or fewer"),
            ("input_shape", [8, 32], [32], "a list of 2 or more"),
            ("metrics", [], ["mse"], "'psnr' or 'ssim'"),
            ("loss", "mae+ssim", "ssim+mae", "'mae', 'mse', 'ssim' or 'mae+ssim'"),
            ("learning_rate_schedule", "cosine", "Cosine", "'halving', 'cosine' or 'constant'"),
            ("mixed_precision", "bfloat16", "float16", "'auto', 'float32' or 'bfloat16'"),
        ],
    )
    def test_ranges_end_where_they_should(
        self, file: Path, key: str, inside: object, outside: object, expected: str
    ) -> None:
        value = getattr(read(file, {**FOLDERS, key: inside}), key)
        assert (list(value) if isinstance(inside, list) else value) == inside
        assert f"Expected {expected}, got" in complaint(file, {**FOLDERS, key: outside})

    @pytest.mark.parametrize("threshold", [-1e300, -0.5, 0, 7])
    def test_intensity_threshold_has_no_range(self, file: Path, threshold: float) -> None:
        assert read(file, {**FOLDERS, "intensity_threshold": threshold}).intensity_threshold == (
            threshold
        )

    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("epochs", True, "a whole number, got true"),
            ("epochs", "100", 'a whole number, got "100"'),
            ("epochs", 2.5, "a whole number, got 2.5"),
            ("epochs", None, "a whole number, got null"),
            ("intensity_threshold", False, "a number, got false"),
            ("intensity_threshold", float("nan"), "a finite number, got NaN"),
            ("initial_learning_rate", float("inf"), "a finite number, got Infinity"),
            ("data_augmentation", 1, "true or false, got 1"),
            ("metrics", "psnr", 'a list in [ ], got "psnr"'),
            ("training_data_dir", "train", 'an object in { }, got "train"'),
            ("training_data_dir", {"raw": 3, "gt": "gt"}, "a path in quotes, got 3"),
            ("training_data_dir", {"raw": "", "gt": "gt"}, 'a path, got ""'),
            ("training_image_pairs", [], "a list of 1 or more, got []"),
            ("validation_image_pairs", [], "a list of 1 or more, got []"),
            ("training_image_pairs", {"raw": "a", "gt": "b"}, "a list in [ ], got {"),
        ],
    )
    def test_nothing_is_turned_into_another_type(
        self, file: Path, key: str, value: object, expected: str
    ) -> None:
        assert f"Expected {expected}" in complaint(file, {**FOLDERS, key: value})

    def test_a_whole_number_may_be_written_with_a_point_or_an_exponent(self, file: Path) -> None:
        config = read(file, '{"epochs": 1e2, "seed": 7.0, "training_data_dir": '
                            '{"raw": "raw", "gt": "gt"}}')  # fmt: skip
        assert (config.epochs, config.seed) == (100, 7)
        assert type(config.epochs) is int

    def test_does_not_change_once_it_is_made(self) -> None:
        config = TrainingConfig.model_validate(FOLDERS)
        with pytest.raises(ValidationError, match="frozen"):
            config.epochs = 3

    def test_attention_must_keep_a_channel(self, file: Path) -> None:
        assert read(file, {**FOLDERS, "num_channels": 8}).num_channels == 8
        assert complaint(file, {**FOLDERS, "num_channels": 4}).startswith(
            ": Expected a channel_reduction of at most num_channels, 4, got 8."
        )

    def test_training_images_may_come_either_way_or_both(self, file: Path) -> None:
        listed = {"training_image_pairs": [{"raw": "a.tif", "gt": "b.tif"}]}
        for given_so in (FOLDERS, listed, FOLDERS | listed):
            assert read(file, given_so) == TrainingConfig.model_validate(given_so)
        for missing in ({}, {"training_data_dir": None}, {"validation_data_dir": FOLDERS[
                "training_data_dir"]}):  # fmt: skip
            assert complaint(file, missing).startswith(
                ": Expected training_data_dir or training_image_pairs, got neither. Add "
            )

    def test_patches_have_the_published_default_shapes(self) -> None:
        config = TrainingConfig.model_validate(FOLDERS)
        assert config.patch_shape(3) == (16, 256, 256)
        assert config.patch_shape(2) == (256, 256)

    def test_patches_have_as_many_axes_as_the_images(self) -> None:
        config = TrainingConfig.model_validate({**FOLDERS, "input_shape": [8, 64, 32]})
        assert config.patch_shape(3) == (8, 64, 32)
        with pytest.raises(ConfigError, match=r"input_shape: Expected 2 numbers .* \[8, 64, 32\]"):
            config.patch_shape(2)
        for ndim in (1, 4):
            with pytest.raises(ConfigError, match=f"Expected images with 2 or 3 axes, got {ndim}"):
                config.patch_shape(ndim)


class TestLearningRate:
    def test_is_halved_as_published_and_in_short_trainings_too(self) -> None:
        for epochs in range(1, 210):
            config = TrainingConfig.model_validate({**FOLDERS, "epochs": epochs})
            rate, rates = 1e-4, []
            for epoch in range(epochs):
                if epoch > 0 and epoch % max(1, epochs // 4) == 0:
                    rate /= 2
                rates.append(rate)
            assert [config.learning_rate(epoch) for epoch in range(epochs)] == rates

    def test_101_epochs_have_a_fourth_halving_for_the_last(self) -> None:
        config = TrainingConfig.model_validate({**FOLDERS, "epochs": 101})
        assert list(halving_epochs(101)) == [25, 50, 75, 100]
        assert config.learning_rate(100) == 1e-4 / 16
        assert config.learning_rate(99.99) == 1e-4 / 8

    def test_a_training_of_one_epoch_is_never_halved(self) -> None:
        assert not halving_epochs(1)

    def test_constant(self) -> None:
        config = TrainingConfig.model_validate({**FOLDERS, "learning_rate_schedule": "constant"})
        assert {config.learning_rate(epoch) for epoch in (0, 150, 299.5)} == {1e-4}

    def test_cosine_falls_to_half_and_to_zero(self) -> None:
        config = TrainingConfig.model_validate({**FOLDERS, "learning_rate_schedule": "cosine"})
        quarters = [config.learning_rate(epoch) for epoch in (0, 75, 150, 225, 300)]
        expected = [1e-4, 1e-4 * (0.5 + 8**-0.5), 0.5e-4, 1e-4 * (0.5 - 8**-0.5), 0]
        assert quarters == pytest.approx(expected, abs=1e-18)

    @pytest.mark.parametrize("epoch", [-1, 300.5, float("nan")])
    def test_an_epoch_outside_the_training_is_refused(self, epoch: float) -> None:
        config = TrainingConfig.model_validate(FOLDERS)
        with pytest.raises(ValueError, match=f"Expected an epoch from 0 to 300, got {epoch}"):
            config.learning_rate(epoch)


class TestReadConfig:
    @pytest.mark.parametrize(
        ("name", "epochs", "steps", "validation"),
        [
            ("denoise", 100, 256, r"E:\Denoising\Tomm20_Mitochondria\Val\gt"),
            ("decon", 200, 256, r"E:\data_decon\Decon_val_Data\gt"),
            ("deabe", 100, 100, r"E:\data_aberration\CropForTraining_ab\Validation\GT"),
            ("sr", 100, 256, None),
        ],
    )
    def test_printed_configurations_are_accepted_as_they_stand(
        self, file: Path, name: str, epochs: int, steps: int, validation: str | None
    ) -> None:
        config = read(file, PRINTED[name])
        assert (config.epochs, config.steps_per_epoch) == (epochs, steps)
        found = config.validation_data_dir and config.validation_data_dir.gt
        assert found == validation
        unset = set(DEFAULTS) - config.model_fields_set
        assert {key: getattr(config, key) for key in unset} == {key: DEFAULTS[key] for key in unset}

    @pytest.mark.parametrize(
        ("wrong", "nearest"),
        [
            ("num_chanels", "num_channels"),
            ("Epochs", "epochs"),
            ("channel_reduction_ratio", "channel_reduction"),  # as the published guidance has it
            ("block_shape", "input_shape"),
            ("learning_rate", "initial_learning_rate"),
            ("BATCHSIZE", "batch_size"),
        ],
    )
    def test_unknown_key_gets_the_nearest_known_one(
        self, file: Path, wrong: str, nearest: str
    ) -> None:
        assert complaint(file, {**FOLDERS, wrong: 1}) == (
            f': Expected a known key, got "{wrong}". The nearest is {nearest}.'
        )

    def test_a_misspelt_key_comes_before_the_one_that_it_makes_missing(self, file: Path) -> None:
        folders = {"training_data_dir": {"raw": "raw", "GT": "gt"}}
        assert complaint(file, folders) == (
            ', training_data_dir: Expected a known key, got "GT". The nearest is gt. '
            "There is 1 more fault."
        )

    def test_of_several_faults_the_first_is_told_and_the_others_are_counted(
        self, file: Path
    ) -> None:
        assert complaint(file, {**FOLDERS, "epochs": 0, "loss": "l1", "seed": -1}) == (
            ", epochs: Expected 1 or more, got 0. Leave epochs out for its default, 300. "
            "There are 2 more faults."
        )

    @pytest.mark.parametrize("lacking", ["raw", "gt"])
    def test_half_a_pair_is_refused(self, file: Path, lacking: str) -> None:
        whole = {"raw": "a.tif", "gt": "b.tif"}
        half = {key: path for key, path in whole.items() if key != lacking}
        assert complaint(file, {"training_image_pairs": [whole, half]}).startswith(
            f", training_image_pairs[1].{lacking}: Expected a path, got nothing. Write "
        )
        assert complaint(file, {"training_data_dir": half}).startswith(
            f", training_data_dir.{lacking}: Expected a path, got nothing. Write "
        )

    @pytest.mark.parametrize(
        ("text", "line", "column", "cause"),
        [
            ("{\n  epochs: 3\n}", 2, 3, "Expecting property name"),
            ('{\n  "epochs": 3\n  "seed": 1\n}', 3, 3, "Expecting ',' delimiter"),
            ("", 1, 1, "Expecting value"),
            ('{"training_data_dir": {"raw": "E:\\Data"}}', 1, 34, r"Invalid \escape"),
        ],
    )
    def test_invalid_json_is_located(
        self, file: Path, text: str, line: int, column: int, cause: str
    ) -> None:
        said = complaint(file, text)
        assert said.startswith(f", line {line}, column {column}: Expected valid JSON, got: {cause}")
        assert said.endswith(("too much or missing.", "twice, or write /."))

    def test_single_backslashes_are_noticed_even_where_json_takes_them(self, file: Path) -> None:
        text = r'{"training_data_dir": {"raw": "E:\new\raw", "gt": "E:\\new\\gt"}}'
        assert complaint(file, text) == (
            ", training_data_dir.raw: Expected a path without line breaks and tabs, got "
            r'"E:\new\raw". Write each \ of a path twice, or write /.'
        )

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('{"epochs": 1, "epochs": 1}', "epochs"),
            ('{"training_data_dir": {"raw": "a", "gt": "b", "raw": "a"}}', "raw"),
        ],
    )
    def test_duplicate_keys_are_refused(self, file: Path, text: str, key: str) -> None:
        assert complaint(file, text) == (
            f': Expected each key once, got "{key}" twice. Delete one of them.'
        )

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_byte_order_marks_are_accepted(self, file: Path, encoding: str) -> None:
        content = {"training_data_dir": {"raw": "Zürich/raw", "gt": "gt"}}
        file.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
        assert read_config(file) == TrainingConfig.model_validate(content)

    def test_other_encodings_are_refused(self, file: Path) -> None:
        file.write_text('{"raw": "Zürich"}', encoding="latin-1")
        with pytest.raises(
            ConfigError, match=r"Expected text in UTF-8, got byte 0xfc at 10\. Save"
        ):
            read_config(file)

    @pytest.mark.parametrize("content", ["[]", "3", "null", '"epochs"'])
    def test_only_an_object_is_a_configuration(self, file: Path, content: str) -> None:
        assert complaint(file, content).startswith(
            f": Expected an object in {{ }}, got {content}. Put the keys in it."
        )

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"epochs": ' + "9" * 5000 + "}"])
    def test_absurd_json_is_refused(self, file: Path, text: str) -> None:
        assert len(complaint(file, text)) < 300

    def test_long_values_are_shortened(self, file: Path) -> None:
        assert len(complaint(file, {**FOLDERS, "loss": "mae" * 1000})) < 250

    def test_a_file_must_be_there(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"config.json: Expected a readable file, got: No su"):
            read_config(file)
        with pytest.raises(ConfigError, match="Expected a readable file, got: Is a directory"):
            read_config(tmp_path)

    @once_a_folder
    @given(content=json_values | st.dictionaries(st.sampled_from([*DEFAULTS]), json_values))
    def test_whatever_comes_gets_a_configuration_or_one_line(
        self, tmp_path: Path, content: Any
    ) -> None:
        assert complaint(tmp_path / "any.json", content)  # since none of these names images


class TestWriteConfig:
    @once_a_folder
    @given(content=configs)
    def test_comes_back_the_same(self, tmp_path: Path, content: dict[str, Any]) -> None:
        config = TrainingConfig.model_validate(content)
        write_config(tmp_path / "config.json", config)
        assert read_config(tmp_path / "config.json") == config

    def test_writes_the_defaults_too(self, file: Path) -> None:
        write_config(file, TrainingConfig.model_validate(FOLDERS))
        written = json.loads(file.read_text(encoding="utf-8"))
        assert written == DEFAULTS | FOLDERS | {"metrics": ["psnr"]}
        assert [path.name for path in file.parent.iterdir()] == ["config.json"]


class TestConfigSchema:
    schema = config_schema()

    @pytest.fixture
    def validator(self, json_schema: Any) -> Any:
        return json_schema(self.schema)

    def test_is_a_schema(self, json_schema: Any) -> None:
        json_schema.check_schema(self.schema)
        assert json.loads(json.dumps(self.schema)) == self.schema
        assert set(self.schema["properties"]) == set(DEFAULTS)

    def test_describes_every_key_in_one_line(self) -> None:
        described = self.schema["properties"] | self.schema["$defs"]["PathPair"]["properties"]
        for key, entry in described.items():
            assert len(entry["description"]) > 10, key
            assert "\n" not in entry["description"], key

    @pytest.mark.parametrize("name", PRINTED)
    def test_accepts_the_printed_configurations(self, validator: Any, name: str) -> None:
        validator.validate(json.loads(PRINTED[name]))

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"training_data_dir": None},
            {**FOLDERS, "epoch": 3},
            {**FOLDERS, "epochs": 0},
            {**FOLDERS, "loss": "l1"},
            {"training_data_dir": {"raw": "a"}},
            {"training_image_pairs": []},
        ],
    )
    def test_refuses_wrong_ones(self, validator: Any, wrong: dict[str, Any]) -> None:
        assert not validator.is_valid(wrong)

    @settings(once_a_folder, max_examples=300)
    @given(key=st.sampled_from([*DEFAULTS]), value=json_values, content=configs)
    @example(key="channel_reduction", value=1e300, content=FOLDERS)
    @example(key="epochs", value=1e300, content=FOLDERS)
    @example(key="memory_limit_gb", value=10**300, content=FOLDERS)
    def test_agrees_with_what_is_read(
        self, validator: Any, tmp_path: Path, key: str, value: Any, content: dict[str, Any]
    ) -> None:
        content = content | {"channel_reduction": 1, key: value}
        if key == "channel_reduction":  # the one rule that the schema does not know
            content["num_channels"] = 10**400
        try:
            accepted = bool(read(tmp_path / "any.json", content))
        except ConfigError:
            accepted = False
        assert accepted == validator.is_valid(content)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with train/raw and train/gt, which are empty."""
    for name in ("raw", "gt"):
        (tmp_path / "train" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "train"


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def training(**keys: object) -> list[tuple[str, str]]:
    config = TrainingConfig.model_validate(keys)
    return [(a.as_posix(), b.as_posix()) for a, b in image_pairs(config, which="training")]


def save_set(folder: Path, name: str, *, n: int) -> None:
    """A multi-file OME-TIFF: a plane in each file, each of which describes all of them."""
    ids = [f"urn:uuid:00000000-0000-0000-0000-{index:012}" for index in range(n)]
    parts = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}_{z}.ome.tif">'
        f"{ids[z]}</UUID></TiffData>"
        for z in range(n)
    )
    for z in range(n):
        ome = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{ids[z]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            f'Type="uint8" SizeX="8" SizeY="8" SizeZ="{n}" SizeC="1" SizeT="1">{parts}</Pixels>'
            "</Image></OME>"
        )
        pixels = np.full((8, 8), z, np.uint8)
        tifffile.imwrite(folder / f"{name}_{z}.ome.tif", pixels, description=ome, metadata=None)


class TestImagePairs:
    def test_folders_are_paired_in_the_order_of_names(self, folders: Path) -> None:
        for name in ("raw", "gt"):
            fill(folders / name, "a10.tif", "a2.tif", "B.tif")
        assert training(**FOLDERS) == [
            (f"train/raw/{name}", f"train/gt/{name}") for name in ("B.tif", "a10.tif", "a2.tif")
        ]

    def test_every_spelling_of_the_suffix_is_read_and_nothing_else(self, folders: Path) -> None:
        fill(folders / "raw", "a.tif", "b.TIF", "c.tiff", "d.Tiff", "notes.txt", "e.tif.bak")
        fill(folders / "gt", "a.TIFF", "b.tif", "c.tif", "d.tif", "._a.tif", "tif")
        (folders / "gt" / "old.tif").mkdir()
        names = [(Path(a).name, Path(b).name) for a, b in training(**FOLDERS)]
        assert names == [("a.tif", "a.TIFF"), ("b.TIF", "b.tif"), ("c.tiff", "c.tif"),
                         ("d.Tiff", "d.tif")]  # fmt: skip

    def test_listed_pairs_come_first(self, folders: Path) -> None:
        fill(folders / "raw", "a.tif", "z.tif")
        fill(folders / "gt", "a.tif", "z.tif")
        fill(folders, "low.lsm", "high.tif")
        listed = [{"raw": "train/low.lsm", "gt": "train/high.tif"}]
        found = training(**FOLDERS, training_image_pairs=listed)
        assert found[0] == ("train/low.lsm", "train/high.tif")
        assert [Path(raw).name for raw, _ in found[1:]] == ["a.tif", "z.tif"]
        assert training(training_image_pairs=listed) == found[:1]

    def test_validation_has_images_of_its_own_or_none(self, folders: Path) -> None:
        fill(folders, "low.tif", "high.tif")
        config = TrainingConfig.model_validate(FOLDERS)
        assert image_pairs(config, which="validation") == []
        pair = {"raw": str(folders / "low.tif"), "gt": str(folders / "high.tif")}
        config = TrainingConfig.model_validate({**FOLDERS, "validation_image_pairs": [pair]})
        assert image_pairs(config, which="validation") == [
            (folders / "low.tif", folders / "high.tif")
        ]

    def test_names_that_do_not_match_are_refused_unless_told_otherwise(self, folders: Path) -> None:
        """The first raw image and the last truth are lacking: every pair is a wrong one."""
        fill(folders / "raw", "a.tif", "b.tif", "c.tif")
        fill(folders / "gt", "b.tif", "c.tif", "d.tif")
        with pytest.raises(ValueError, match=r"^training_data_dir: .* 3 of 3 with") as caught:
            training(**FOLDERS)
        assert "a.tif with b.tif, b.tif with c.tif, c.tif with d.tif. Rename" in str(caught.value)
        assert 'write "pair_by_order": true' in str(caught.value)
        found = training(**FOLDERS, pair_by_order=True)
        assert found[1] == ("train/raw/b.tif", "train/gt/c.tif")

    @pytest.mark.parametrize(
        ("raw", "gt", "match"),
        [
            (["raw_1", "raw_2"], ["gt_1", "gt_2"], True),
            (["raw_01", "raw_10"], ["gt_01", "gt_10"], True),
            (["1_low", "2_low"], ["1_high", "2_high"], True),
            (["low"], ["high"], True),
            (["raw_1", "raw_2"], ["gt_2", "gt_3"], False),
            (["f10", "f11"], ["f20", "f21"], False),
            (["10f", "20f"], ["11f", "21f"], False),
        ],
    )
    def test_names_may_differ_in_what_all_have_in_common(
        self, folders: Path, raw: list[str], gt: list[str], match: bool
    ) -> None:
        fill(folders / "raw", *(f"{name}.tif" for name in raw))
        fill(folders / "gt", *(f"{name}.tiff" for name in gt))
        if match:
            assert len(training(**FOLDERS)) == len(raw)
            return
        with pytest.raises(ValueError, match="Expected pairs of one name"):
            training(**FOLDERS)

    def test_an_image_in_several_files_is_one(self, folders: Path) -> None:
        for kind in ("raw", "gt"):
            save_set(folders / kind, "a", n=3)
            fill(folders / kind, "b.tif")
        assert [Path(raw).name for raw, _ in training(**FOLDERS)] == ["a_0.ome.tif", "b.tif"]

    def test_a_copy_of_an_ome_tiff_is_an_image_of_its_own(self, folders: Path) -> None:
        for kind in ("raw", "gt"):
            save_set(folders / kind, "b", n=1)
            shutil.copy(folders / kind / "b_0.ome.tif", folders / kind / "a.ome.tif")
        assert len(training(**FOLDERS)) == 2

    def test_counts_must_match(self, folders: Path) -> None:
        fill(folders / "raw", "a.tif", "b.tif", "c.tif")
        fill(folders / "gt", "a.tif", "c.tif")
        with pytest.raises(ValueError, match="Expected as many") as caught:
            training(**FOLDERS)
        assert str(caught.value) == (
            "training_data_dir: Expected as many raw as true images, got 3 in 'train/raw' and 2 in "
            "'train/gt'. Begin with b.tif, which is in one of them only."
        )

    def test_a_folder_without_tiff_is_refused(self, folders: Path) -> None:
        fill(folders / "raw", "a.tif")
        fill(folders / "gt", "a.png")
        with pytest.raises(ValueError, match=r"^training_data_dir.gt: .*, got none in 'train/gt'"):
            training(**FOLDERS)

    @pytest.mark.parametrize("name", PRINTED)
    def test_printed_paths_are_told_to_be_of_windows(self, file: Path, name: str) -> None:
        config = read(file, PRINTED[name])
        assert config.training_data_dir
        with pytest.raises(ConfigError) as caught:
            image_pairs(config, which="training")
        assert str(caught.value) == (
            "training_data_dir.raw: Expected a folder on this machine, got "
            f"'{config.training_data_dir.raw}', a Windows path. Write where the images are on "
            "this machine, with / for \\."
        )

    @pytest.mark.parametrize("path", [r"data\raw", "E:/data/raw", r"\\server\share\raw"])
    def test_other_windows_paths_are_noticed_too(self, path: str) -> None:
        with pytest.raises(ConfigError, match="a Windows path"):
            training(training_data_dir={"raw": path, "gt": path})

    def test_a_backslash_that_is_part_of_a_name_is_no_fault(self, folders: Path) -> None:
        fill(folders, r"odd\name.tif", r"gt\name.tif")
        pair = {"raw": r"train/odd\name.tif", "gt": r"train/gt\name.tif"}
        assert training(training_image_pairs=[pair]) == [(pair["raw"], pair["gt"])]

    def test_missing_paths_are_told_with_where_they_were_looked_for(self, folders: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            training(training_data_dir={"raw": "trian/raw", "gt": "train/gt"})
        assert str(caught.value) == (
            "training_data_dir.raw: Expected a folder on this machine, got 'trian/raw', which "
            f"does not exist in the working directory {folders.parent}. Correct the path."
        )
        with pytest.raises(ConfigError, match=r"got '/nowhere', which does not exist\. Correct"):
            training(training_data_dir={"raw": "/nowhere", "gt": "train/gt"})

    def test_files_and_folders_are_not_mixed_up(self, folders: Path) -> None:
        fill(folders, "a.tif")
        with pytest.raises(ConfigError, match=r"pairs\[1\]\.gt: Expected a file .* is no file\."):
            training(training_image_pairs=[
                {"raw": "train/a.tif", "gt": "train/a.tif"}, {"raw": "train/a.tif", "gt": "train"},
            ])  # fmt: skip
        with pytest.raises(ConfigError, match=r"raw: Expected a folder .* which is no folder"):
            training(training_data_dir={"raw": "train/a.tif", "gt": "train"})

    def test_only_two_kinds_of_images_are_known(self) -> None:
        config = TrainingConfig.model_validate(FOLDERS)
        with pytest.raises(ValueError, match="'training' or 'validation', got 'test'"):
            image_pairs(config, which="test")  # type: ignore[arg-type]


def test_precisions_are_those_of_fit() -> None:
    pytest.importorskip("torch")
    from aimicro.train.devices import Precision

    assert config_schema()["properties"]["mixed_precision"]["enum"] == list(get_args(Precision))


def test_needs_no_torch() -> None:
    code = "import aimicro.cli.config, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
