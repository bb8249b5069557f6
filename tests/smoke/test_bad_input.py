"""Bad input: one line that names the value and the way out, exit code 2, no files."""

import contextlib
import gzip
import resource
from pathlib import Path

import numpy as np
import pytest

from grn_exp.storage import store
from tests.smoke.conftest import TOY, TRAINED


def assert_refused(outcome, *words: str) -> None:
    assert outcome.code == 2, outcome.err
    assert len(outcome.lines) == 1, outcome.err
    assert outcome.lines[0].startswith("error: ")
    for word in words:
        assert word in outcome.err
    assert outcome.files == []


# -- the command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("model=infosem_bb", "model=infosem_bb|'infosem_b|best_subset"),
        ("data=mes", "data=mes|'mesc'"),
        ("model=", "model=|best_subset"),
        ("model=null", "None"),
        ("model=random,degree", "model=random,degree|--multirun"),
        ("experiment=nowhere", "experiment=nowhere"),
        ("model.foo=[", "model.foo=["),
        ("seed=1=2=[}", "seed=1=2=[}"),
        ("+experiment=smoke/hos2_table1 debug=fast", " experiment=smoke/hos2_table1"),
        ("+model=pearson", " model=pearson"),
        ("++data=toy", " data=toy"),
        ("paths.outputs=~/x", "paths.outputs=~/x|'paths.outputs=\"~/x\"'"),
        ("model=../config", "model=../config|model/"),
        ("model=random data=../data/toy data.n_genes=40", "data=../data/toy|data/"),
    ],
)
def test_unknown_choices_and_overrides_that_do_not_parse(command, overrides, words):
    assert_refused(command(*overrides.split()), *words.split("|"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("model.sigm_w=1", "model.sigm_w|'sigma_w'"),
        ("+model.sigm_w=1", "model.sigm_w|'sigma_w'"),
        ("+model.optimizer.lr2=3", "model.optimizer.lr2|'lr'"),
        ("data.prior.x=1", "data.prior.x"),
        ("+data.n_gene=3", "data.n_gene|'n_genes'"),
        ("trainer.max_epoch=3", "trainer.max_epoch|'max_epochs'"),
        ("+trainer.max_steps=3", "trainer.max_steps"),
        ("split.sed=1", "split.sed|'seed'"),
        ("+split.sed=1", "split.sed|'seed'"),
        ("+logger.x=1", "logger.x"),
        ("sede=1", "sede|'seed'"),
        ("+sede=1", "sede|'seed'"),
        ("paths.output=x", "paths.output|outputs"),
        ("+paths.output=x", "paths.output|'outputs'"),
        ("hydra.foo=1", "hydra.foo|--cfg hydra"),
        ("hydra.run.dir=x", "hydra.run.dir=x|paths.outputs"),
        ("++hydra.job.chdir=true", "hydra.job.chdir=True|paths.outputs"),
        ("callbacks=[early]", "callbacks=early|'early_stopping'"),
        ("model=[random]", "model"),
        ("hydra/job_logging=colorlog", "hydra/job_logging=colorlog|disabled, none, stdout"),
        ("hydra.job_logging=none", "hydra/job_logging=none"),
        ("hydra.job.env_set.X=1", "hydra.job.env_set.X|+"),
        ("hydra.mode=BOTH", "hydra.mode=BOTH|MULTIRUN"),
        ("callbacks=early_stopping callbacks.early_stopping.monitr=x", "monitr|monitor"),
    ],
)
def test_misspelt_keys_at_any_depth(command, overrides, words):
    assert_refused(command(*overrides.split()), *words.split("|"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("seed=abc", "seed='abc'"),
        ("seed=-1", "seed=-1"),
        ("seed=1.5", "seed=1.5"),
        ("seed=null", "seed=None"),
        ("seed=true", "seed=True"),
        ("force=1", "force=1|true"),
        ("model.alpha=-1", "model.alpha=-1"),
        ("model.alpha=abc", "model.alpha='abc'"),
        ("model.alpha=nan", "model.alpha=nan"),
        ("model.score=foo", "model.score=foo|abs, signed"),
        ("model.optimizer=adam", "model.optimizer='adam'"),
        ("+model.optimizer.lr=abc", "model.optimizer.lr='abc'"),
        ("trainer.max_epochs=0", "trainer.max_epochs=0"),
        ("trainer.max_epochs=-3", "trainer.max_epochs=-3"),
        ("trainer.max_epochs=null", "trainer.max_epochs|infosem_bc"),
        ("trainer.devices=2", "trainer.devices=2|joblib"),
        ("trainer.num_threads=0", "trainer.num_threads=0"),
        ("trainer.checkpoint_seconds=-1", "trainer.checkpoint_seconds=-1"),
        ("trainer.accelerator=tpu", "trainer.accelerator=tpu|auto, cpu, gpu"),
        ("trainer.num_threads=many", "trainer.num_threads='many'"),
        ("trainer.checkpoint_seconds=x", "trainer.checkpoint_seconds='x'"),
        ("trainer.enable_progress_bar=maybe", "trainer.enable_progress_bar='maybe'|true"),
        ("prior=table", "prior.path=???"),
        ("prior=table prior.path=nowhere.npz", "prior.path=nowhere.npz"),
        ("model=random data.n_regulators=2", "split.seed=0|test_unseen"),
        ("model=random data.n_regulators=0", "n_regulators=0"),
        ("split.seen_fraction=2", "split.seen_fraction=2"),
        ("model._target_=os.system", "model._target_=os.system"),
        ("model._target_=grn_exp.models.Nope", "model._target_=grn_exp.models.Nope"),
        ("paths.outputs=", "paths.outputs=''"),
        ("paths.experiment=null", "paths.experiment=None"),
        ("paths.outputs='~nobody_at_all/x'", "~nobody_at_all/x"),
    ],
)
def test_values_of_a_wrong_kind(command, overrides, words):
    assert_refused(command(*overrides.split()), *words.split("|"))


def test_the_traceback_is_there_when_asked_for(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="seed=-1"):
        command("seed=-1")


def test_a_model_that_does_not_fit_the_data(command, monkeypatch):
    from grn_exp.models.edges.random import Random

    monkeypatch.setattr(Random, "task", "sets")
    assert_refused(command("model=random", *TOY), "model=random", "co_target_vote")


def test_gpu_without_a_gpu(command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert_refused(command("trainer=gpu"), "trainer=gpu", "trainer=cpu")


def test_a_training_that_diverges_says_so(command):
    outcome = command(*TRAINED, *TOY, "trainer.max_epochs=4", "model.adjacency_learning_rate=1e38")
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert "diverged" in outcome.err
    assert outcome.status()["state"] == "failed"


# -- files -----------------------------------------------------------------------------------


@pytest.fixture
def beeline(tmp_path, monkeypatch) -> Path:
    """Lay out a small BEELINE dataset and return its folder; it passes the hash check."""
    folder = tmp_path / "held"
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(40)]
    lines = [",".join(["", *(f"c{i}" for i in range(6))])]
    lines += [",".join([gene, *map(str, rng.gamma(2.0, size=6).round(3))]) for gene in genes]
    edges = [f"{r},{t}" for r in genes[:16] for t in genes if r != t and rng.random() < 0.3]
    expression = folder / "beeline/mESC/tfs500/ExpressionData.csv.gz"
    network = folder / "beeline/mESC/tfs500/cell_type_specific/network.csv.gz"
    for path, text in ((expression, lines), (network, ["Gene1,Gene2", *edges])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(("\n".join(text) + "\n").encode()))
    known = {}
    for path in (expression, network):
        key = str(path.relative_to(folder))
        known[key] = store.KnownFile(key, "http://localhost:9/x", store.git_blob_sha1(path))
    monkeypatch.setattr(store, "registry", lambda: known)
    monkeypatch.setenv("GRN_EXP_DATA", str(folder))
    return folder


def matrix(path: Path, *rows: str, header: str = ",c0,c1,c2") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


GOOD = [f"G{i},1.0,2.0,{i / 4 + 0.1}" for i in range(40)]


def test_the_small_beeline_dataset_is_sound(command, beeline, tmp_path):
    path = matrix(tmp_path / "mine.csv", *GOOD)
    assert command("model=random", "data=mesc").code == 0
    assert command("model=random", "data=mesc", f"data.expression={path}").code == 0


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["G0,1,2,3", "G0,1,2,3"], ",c0,c1,c2", "'G0'"),
        (["G0,1,nan,3", "G1,1,2,3"], ",c0,c1,c2", "'G0'"),
        (["G0,1,inf,3", "G1,1,2,3"], ",c0,c1,c2", "'G0'"),
        (["G0,1,-2,3", "G1,1,2,3"], ",c0,c1,c2", "'G0'"),
        (["G0,1,x,3", "G1,1,2,3"], ",c0,c1,c2", "'x'|'G0'|'c1'"),
        (["G0,1", "G1,2"], ",c0", "mine.csv: 1 |2"),
        (["X0,1,2,3.5", "X1,1,2,3"], ",c0,c1,c2", "'X0', 'X1'"),
        (["G0,1,2,3", "G1,1,2,7"], ",c0,c1,c2", "scanpy.pp.log1p"),
    ],
)
@pytest.mark.usefixtures("beeline")
def test_a_matrix_that_cannot_be_used(command, tmp_path, rows, header, words):
    path = matrix(tmp_path / "mine.csv", *rows, header=header)
    outcome = command("model=random", "data=mesc", f"data.expression={path}")
    assert_refused(outcome, *words.split("|"))


def test_missing_and_truncated_matrices(command, beeline, tmp_path):
    missing = command("model=random", "data=mesc", "data.expression=nowhere.csv")
    assert_refused(missing, "nowhere.csv")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(("\n".join([",c0,c1,c2", *GOOD])).encode())[:-40])
    outcome = command("model=random", "data=mesc", f"data.expression={cut}")
    assert_refused(outcome, str(cut), "truncated")


def test_a_file_with_another_hash(command, beeline):
    path = beeline / "beeline/mESC/tfs500/ExpressionData.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert_refused(command("model=random", "data=mesc"), str(path), "hash")


def test_gene_vectors_that_do_not_fit(command, tmp_path):
    path = tmp_path / "vectors.npz"
    np.savez(path, genes=np.array(["X", "Y"]), vectors=np.ones((2, 5), np.float32))
    table = (*TRAINED, *TOY, "prior=table", f"prior.path={path}")
    assert_refused(command(*table, "prior.width=7"), "width 5", "prior.width=7")
    assert_refused(command(*table), str(path), "'G0001'")


# -- places ----------------------------------------------------------------------------------


def test_outputs_below_a_file(command, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = command("model=random", *TOY, outputs=tmp_path / "file" / "runs")
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert "paths.outputs" in outcome.err


def test_a_folder_in_use(command):
    from filelock import FileLock

    first = command("model=random", *TOY)
    with FileLock(first.folder / ".lock"):
        outcome = command("model=random", *TOY, "force=true")
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert str(first.folder) in outcome.err
    assert outcome.status()["state"] == "finished"


@contextlib.contextmanager
def disk_full_after(n_bytes: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("n_bytes", "overrides"),
    [
        (700, ("model=random",)),  # the configuration
        (2500, ("model=random",)),  # the scores
        (6000, (*TRAINED, "trainer.max_epochs=2", "trainer.checkpoint_seconds=0")),
    ],
)
def test_a_full_disk(command, n_bytes, overrides):
    with disk_full_after(n_bytes):
        outcome = command(*overrides, *TOY)
    assert outcome.code == 2, outcome.err
    assert len(outcome.lines) == 1, outcome.err
    assert "paths.outputs" in outcome.err
    assert outcome.status()["state"] == "failed"
    assert not list(outcome.outputs.rglob("metrics.json"))
    again = command(*overrides, *TOY)
    assert again.code == 0, again.err
    leftovers = [p for p in again.outputs.rglob(".*") if p.name not in (".lock", ".sweeps")]
    assert leftovers == []
