"""What Hydra offers beside overrides, and names that it takes for the same file."""

import pytest

from tests.messages import lines_naming
from tests.smoke.conftest import TOY

DEGREE = ("model=degree", *TOY)


def refused(outcome, *parts) -> bool:
    """Whether a command ended in one line that names ``parts``."""
    return outcome.code == 2 and len(outcome.lines) == 1 == len(lines_naming(outcome.err, *parts))


@pytest.fixture
def own(tmp_path):
    """Return ``own(path, text)``: a file of a configuration of one's own, and the flag for it."""

    def write(path: str, text: str) -> tuple[str, str]:
        file = tmp_path / "own" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return "--config-dir", str(tmp_path / "own")

    return write


# -- flags -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--resolve"], ["--resolve", "--cfg"]),
        (["-m", "--cfg", "job"], ["--multirun", "--cfg"]),
        (["--cfg", "job", "--info", "all"], ["--cfg", "--info"]),
        (["--cfg", "hydra", "--resolve"], ["--cfg all --resolve"]),
        (["--shell-completion"], ["--shell-completion install=bash"]),
        (["-sc", "install=ksh"], ["ksh", "bash", "zsh"]),
        (["--experimental-rerun", "run.pickle"], ["--experimental-rerun"]),
        (["hydra.job.env_copy=[NOWHERE_SET]"], ["NOWHERE_SET", "HYDRA_FULL_ERROR=1"]),
        (["--no-such-flag"], ["--no-such-flag"]),
        (["--cfg"], ["--cfg"]),
        (["--cfg", "jobs"], ["--cfg", "'jobs'"]),
        (["--config-name", "../x"], ["..=x", "--help"]),
        (["model=degree\n"], ["model=degree"]),
        (["-m", "seed=range(0,3,0)"], ["seed=range(0,3,0)", "step"]),
        (["-m", "seed=interval(0,3)"], ["seed=interval(0,3)", "hydra.sweeper.tune"]),
    ],
)
def test_what_hydra_cannot_do_is_one_line(command, words, parts):
    outcome = command(*words)
    assert refused(outcome, *parts), outcome.err
    assert outcome.files == []


@pytest.mark.parametrize("choice", ["hydra/sweeper=tune_grid", "+plan=true"])
def test_the_configuration_of_a_sweep_can_be_shown(command, choice):
    assert command(choice, "--cfg", "job", "--package", "seed").out == "0\n"


@pytest.mark.parametrize("value", ["0", "", "true"])
def test_no_value_but_1_asks_for_tracebacks(command, monkeypatch, value):
    monkeypatch.setenv("HYDRA_FULL_ERROR", value)
    assert refused(command("seed=-1"), "seed=-1")


def test_an_error_of_our_own_keeps_its_traceback(command, monkeypatch):
    from grn_exp import config

    def broken(*_, **__):
        raise ValueError("a defect")

    monkeypatch.setattr(config, "identify", broken)
    with pytest.raises(ValueError, match="a defect"):
        command(*DEGREE)


# -- places ----------------------------------------------------------------------------------

PLACES = {
    "hydra.run.dir": "{run: {dir: here}}",
    "hydra.sweep.dir": "{sweep: {dir: here}}",
    "hydra.sweep.subdir": "{sweep: {subdir: '${hydra.job.num}'}}",
    "hydra.output_subdir": "{output_subdir: .hydra}",
    "hydra.job.chdir": "{job: {chdir: true}}",
}


@pytest.mark.parametrize("flags", [(), ("-m",), ("-m", "hydra/sweeper=basic")])
@pytest.mark.parametrize("place", PLACES)
def test_no_file_moves_what_is_written(command, own, tmp_path, place, flags):
    flag = own("experiment/mine.yaml", f"# @package _global_\nhydra: {PLACES[place]}\n")
    outcome = command(*flags, *flag, "experiment=mine", *DEGREE)
    assert refused(outcome, place, "paths.outputs"), outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


@pytest.mark.parametrize("place", PLACES)
def test_no_experiment_of_several_moves_what_is_written(command, own, tmp_path, place):
    own("experiment/other.yaml", "# @package _global_\n")
    flag = own("experiment/mine.yaml", f"# @package _global_\nhydra: {PLACES[place]}\n")
    outcome = command(*flag, "experiment=other,mine", "hydra/launcher=basic", *DEGREE)
    assert refused(outcome, place, "paths.outputs"), outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_no_dict_moves_what_is_written(command):
    assert refused(command("hydra.run={dir: here}", *DEGREE), "hydra.run.dir=here")


@pytest.mark.slow
def test_our_own_places_may_be_said(command):
    said = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra.job.chdir=false")
    assert command(*said, *DEGREE).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_writes_below_a_home_that_it_expands(command, tmp_path, monkeypatch, launcher):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    outcome = command("-m", f"hydra/launcher={launcher}", *DEGREE, outputs="'~/x'")
    assert outcome.code == 0, outcome.err
    assert not (tmp_path / "~").exists()
    assert {path.name for path in (tmp_path / "home" / "x").iterdir()} == {".sweeps", "runs"}


# -- names -----------------------------------------------------------------------------------

SETS = ("data=toy_sets", "model=stage1_top_r")
CHOICES = [
    ("model", "degree", ()),
    ("data", "toy", ()),
    ("split", "seen_unseen", ()),
    ("trainer", "cpu", ()),
    ("callbacks", "none", ()),
    ("logger", "csv", ()),
    ("debug", "fast", ()),
    ("experiment", "smoke/infosem_table2", ("model=random", "split.seed=0")),
    ("prior", "one_hot", ("model=infosem_bc",)),
    ("model/optimizer", "adam", ("model=infosem_bc",)),
    ("retriever", "dot_product", SETS),
    ("pool", "oracle", SETS),
    ("decoder", "beam", ("data=toy_sets", "model=residual_hos2")),
]


@pytest.mark.parametrize(("group", "name", "rest"), CHOICES)
def test_a_choice_and_its_file_are_one_run(command, group, name, rest):
    outcome = command("-m", f"{group}={name},{name}.yaml", *rest, "+plan=true")
    assert outcome.n_left == 1, outcome.out + outcome.err


@pytest.mark.parametrize(("group", "name", "rest"), CHOICES)
def test_a_path_is_no_name(command, group, name, rest):
    folder = group.rpartition("/")[2]
    for path in (f"./{name}", f"/{name}", f"x/../{name}", f"../{folder}/{name}"):
        outcome = command(f"{group}={path}", *rest, "+plan=true")
        assert refused(outcome, f"{group}={path}"), outcome.err


def test_a_path_is_no_name_of_one_run_either(command, tmp_path):
    outcome = command("model=../model/degree", *TOY)
    assert refused(outcome, "model=../model/degree"), outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_within_models_is_no_name(command, own):
    flag = own("model/mine/x.yaml", "_target_: grn_exp.models.edges.random.Random\n")
    outcome = command(*flag, "model=mine/x", *TOY)
    assert refused(outcome, "model=mine/x"), outcome.err
    assert outcome.files == []


@pytest.mark.slow
def test_runs_of_a_file_are_the_choices(command, own):
    text = "# @package _global_\ndefaults: [{override /model: degree.yaml}]\n"
    flag = own("experiment/mine.yaml", text)
    found = command(*flag, "experiment=mine", "data=toy.yaml", *TOY[1:])
    assert found.folder.parts[-3:-1] == ("toy", "degree")
    assert command(*DEGREE).was_skipped
    ensemble = command("model=random.yaml", *TOY, "ensemble=2")
    assert {path.parent.name for path in ensemble.folders} == {"degree", "random"}


@pytest.mark.slow
def test_a_file_is_tuned_as_its_choice(command):
    tune = ("hydra/sweeper=tune_grid", "+plan=true", *TOY)
    assert (
        command("model=deepsem.yaml", *tune).n_left == command("model=deepsem", *tune).n_left > 1
    )


@pytest.mark.slow
def test_a_glob_takes_choices_and_no_parts_of_them(command):
    outcome = command("-m", "model=glob(*)", *TOY, "+plan=true")
    assert lines_naming(outcome.out, "model=degree")
    assert "model=_" not in outcome.out
