"""What a Lightning user does with a method, held against what the command line found."""

import numpy as np
import pytorch_lightning as pl

from grn_exp.metrics.titles import key_of


def check_plain_trainer(finished, benchmark, checkpoint, *, max_epochs):
    """Make the method in Python, take it through a Trainer, and load it again."""
    spec = finished.spec
    options = {k: v for k, v in spec.identity.config["model"].items() if k != "_target_"}
    if spec.decoder is not None:
        options["decoder"] = spec.decoder
    model = spec.model_class(**options)
    trainer = pl.Trainer(
        max_epochs=max_epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=benchmark)
    logged = trainer.validate(model, datamodule=benchmark, verbose=False)[0]
    logged |= trainer.test(model, datamodule=benchmark, verbose=False)[0]
    assert logged == {key_of(row): row["value"] for row in finished.rows}
    (prediction,) = trainer.predict(model, datamodule=benchmark)
    trainer.save_checkpoint(checkpoint)
    loaded = type(model).load_from_checkpoint(checkpoint, weights_only=True)
    assert dict(loaded.hparams) == dict(model.hparams)
    for again in (loaded.prediction(), *trainer.predict(loaded)):
        assert_same(again, prediction)
    again = trainer.test(loaded, datamodule=benchmark, verbose=False)[0]
    assert again == {name: value for name, value in logged.items() if name in again}


def assert_same(first, second):
    if hasattr(first, "values"):
        np.testing.assert_array_equal(first.values, second.values)
        return
    for mine, theirs in zip(first.members, second.members, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(first.scores, second.scores)
