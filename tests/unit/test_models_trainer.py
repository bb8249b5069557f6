"""What a user of Lightning does with a method and a benchmark, beside the ordinary four calls."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging, WeightAveraging

from grn_exp.core.errors import InputError
from grn_exp.data.edges.toy import ToyDataModule
from grn_exp.data.sets.toy import ToySetsDataModule
from grn_exp.models.edges.deepsem import DeepSEM
from grn_exp.models.edges.infosem import InfoSEMBC
from grn_exp.models.edges.one_hot_lr import OneHotLR
from tests.messages import naming


def toy(split_seed=0):
    return ToyDataModule(
        n_genes=60, n_regulators=12, n_cell_types=3, n_cells_per_type=20, split_seed=split_seed
    )


def trainer(**options):
    return pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def test_a_training_without_data_says_how_to_give_them():
    with pytest.raises(InputError, match=r"datamodule=.*attach"):
        trainer().fit(DeepSEM())


@pytest.mark.parametrize("model", [InfoSEMBC(), OneHotLR()])
@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_labels_of_one_split_are_not_judged_on_another(model, stage):
    trainer().fit(model, datamodule=toy())
    with pytest.raises(InputError, match=r"\d+ labels"):
        getattr(trainer(), stage)(model, datamodule=toy(split_seed=1))
    trainer().test(model, datamodule=toy(), verbose=False)


def test_a_method_without_labels_is_the_same_under_every_split():
    model = DeepSEM()
    trainer().fit(model, datamodule=toy())
    trainer().test(model, datamodule=toy(split_seed=1), verbose=False)


@pytest.mark.filterwarnings("ignore:.*WeightAveraging doesn't support sharding")
@pytest.mark.parametrize("average", [StochasticWeightAveraging, WeightAveraging])
def test_callbacks_that_copy_the_model_find_its_parameters(average):
    options = {"swa_lrs": 1e-3} if average is StochasticWeightAveraging else {}
    model = DeepSEM()
    trainer(callbacks=[average(**options)]).fit(model, datamodule=toy())
    assert all(torch.isfinite(each).all() for each in model.parameters())


def test_a_benchmark_can_be_printed_whatever_its_trainer():
    data = toy()
    trainer().fit(OneHotLR(), datamodule=data)
    assert "ToyDataModule" in str(data)


@pytest.mark.parametrize("model", [InfoSEMBC, OneHotLR])
def test_a_checkpoint_brings_no_label_that_another_split_holds_out(tmp_path, model):
    path = tmp_path / "fitted.ckpt"
    fitted = trainer()
    fitted.fit(model(), datamodule=toy())
    fitted.save_checkpoint(path)
    options = {"verbose": False, "ckpt_path": path, "weights_only": True}
    with pytest.raises(InputError, match=r"\d+ labels"):
        trainer().test(model(), datamodule=toy(split_seed=1), **options)
    loaded = model.load_from_checkpoint(path)
    with pytest.raises(InputError, match=r"\d+ labels"):
        trainer().test(loaded, datamodule=toy(split_seed=1), verbose=False)
    trainer().test(model(), datamodule=toy(), **options)
    trainer().test(model.load_from_checkpoint(path), datamodule=toy(), verbose=False)


def test_candidates_are_the_scores_of_a_retriever():
    data = ToySetsDataModule()
    for other in ([], DeepSEM()):
        with pytest.raises(InputError, match=naming("use_candidates", type(other).__name__)):
            data.use_candidates(other)


def test_a_checkpoint_is_of_one_method(tmp_path):
    path = tmp_path / "fitted.ckpt"
    fitted = trainer()
    fitted.fit(InfoSEMBC(), datamodule=toy())
    fitted.save_checkpoint(path)
    with pytest.raises(InputError, match=naming("InfoSEMBC", "DeepSEM")):
        trainer().test(DeepSEM(), datamodule=toy(), ckpt_path=path, weights_only=True)


def test_other_genes_are_other_data():
    model = DeepSEM()
    trainer().fit(model, datamodule=toy())
    other = ToyDataModule(n_genes=50, n_regulators=12, n_cell_types=3, n_cells_per_type=20)
    with pytest.raises(InputError, match=naming("60 genes", "50")):
        trainer().predict(model, datamodule=other)
