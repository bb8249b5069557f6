"""Which options of Lightning's Trainer change numbers, and which the engine keeps for itself."""

from collections.abc import Mapping
from typing import Any

from grn_exp.core.errors import InputError
from grn_exp.runs.files import part

# what can change a number, with the value that changes none; hardware and display do not count
COUNTED: dict[str, Any] = {
    "max_epochs": None,
    "min_epochs": None,
    "max_steps": -1,
    "min_steps": None,
    "max_time": None,
    "fast_dev_run": False,
    "limit_train_batches": None,
    "overfit_batches": 0.0,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": None,
    "gradient_clip_algorithm": None,
    "precision": None,
    "plugins": None,
    "reload_dataloaders_every_n_epochs": 0,
}
# these count where callbacks look at validation scores
COUNTED_WITH_CALLBACKS: dict[str, Any] = {
    "limit_val_batches": None,
    "val_check_interval": None,
    "check_val_every_n_epoch": None,
}
# callbacks that only watch
_WATCHERS = ("LearningRates", "LearningRateMonitor", "DeviceStatsMonitor", "ModelSummary")

REFUSED = {
    "logger": "a run has one logger; choose logger=csv, wandb, trackio or tensorboard",
    "callbacks": "choose callbacks=early_stopping, best_checkpoint or lr_monitor",
    "enable_checkpointing": "a cut-off run goes on from the engine's own checkpoint; "
    "trainer.checkpoint_seconds says how often it is written",
    "default_root_dir": "a run has a folder of its own below paths.outputs",
    "barebones": "the engine's history and checkpoints are callbacks, which it switches off",
    "model_registry": "a run's checkpoint stays in its folder",
    "num_nodes": "a run is trained on one device; start several runs side by side instead",
}
_UNCHANGED = {"num_nodes": 1, "barebones": False}


def counted(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Trainer's options of a configuration that count in its run key.

    A closed form has no epochs, so none of them concerns it.
    """
    model = part(config, "model")
    if str(model.get("_target_")).startswith("grn_exp.") and "optimizer" not in model:
        return {}
    neutral = COUNTED | (COUNTED_WITH_CALLBACKS if counted_callbacks(config) else {})
    trainer = part(config, "trainer")
    return {k: trainer[k] for k in neutral if k in trainer and trainer[k] != neutral[k]}


def counted_callbacks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the callbacks that can change a number."""
    found = part(config, "callbacks")
    return {
        name: node
        for name, node in found.items()
        if not str(part(found, name).get("_target_")).endswith(_WATCHERS)
    }


def refuse_reserved(trainer: Mapping[str, Any]) -> None:
    """Refuse the options that resumption or the run folder needs as they are.

    Raises
    ------
    InputError
        Naming the first such option, and what to use in its place.
    """
    for name, reason in REFUSED.items():
        value = trainer.get(name)
        if value not in (None, _UNCHANGED.get(name)):
            raise InputError(f"trainer.{name}={value}: {reason}")
