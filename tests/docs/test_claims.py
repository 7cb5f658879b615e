"""What docs/trainers.md says about other people's trainers, beside its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gendata

# What these packages warn of among themselves is not ours to mend.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_accelerate_says_which_epoch_it_is(digits_artifact: Path) -> None:
    accelerate = pytest.importorskip("accelerate")
    ds = gendata.load_condensed(digits_artifact).fresh(samples_per_class=2, seed=5)
    loader = torch.utils.data.DataLoader(ds, batch_size=20, collate_fn=gendata.collate)
    prepared = accelerate.Accelerator(cpu=True).prepare(loader)
    for epoch in range(3):
        ((x, _),) = list(prepared)
        assert torch.equal(x, ds[[(epoch, index) for index in range(20)]][0])


def test_the_transformers_trainer_says_which_epoch_it_is(digits_artifact: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    seen: list[float] = []

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(pixel_values.double().sum().item())
            logits = self.head(pixel_values.flatten(1))
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    ds = gendata.load_condensed(digits_artifact).fresh(samples_per_class=2, seed=5)
    arguments = transformers.TrainingArguments(
        str(tmp_path), num_train_epochs=3, per_device_train_batch_size=20, use_cpu=True, report_to="none",
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    shown = ds.with_format("dict", keys=("pixel_values", "labels"))
    transformers.Trainer(model=Linear(), args=arguments, train_dataset=shown).train()
    wanted = [ds[[(epoch, index) for index in range(20)]][0].double().sum().item() for epoch in range(3)]
    assert seen == pytest.approx(wanted)  # in another order, so the sums are of other roundings


def test_a_lightning_checkpoint_in_the_middle_of_an_epoch_goes_on_with_the_next_batch(
    digits_artifact: Path, tmp_path: Path
) -> None:
    lightning = pytest.importorskip("lightning")
    seen: list[float] = []

    class Linear(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def train_dataloader(self) -> Any:
            return gendata.load_condensed(digits_artifact).fresh(samples_per_class=5).loader(batch_size=10)

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            x, y = batch
            seen.append(x.double().sum().item())
            return nn.functional.cross_entropy(self.head(x.flatten(1)), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def trainer(*callbacks: Any) -> Any:
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        return lightning.Trainer(max_epochs=3, accelerator="cpu", callbacks=[*callbacks], **quiet)

    keep = lightning.pytorch.callbacks.ModelCheckpoint(
        dirpath=tmp_path, every_n_train_steps=7, save_top_k=-1, filename="{step}"
    )
    trainer(keep).fit(Linear())
    whole, seen[:] = list(seen), []
    assert len(whole) == 15
    trainer(keep).fit(Linear(), ckpt_path=str(tmp_path / "step=7.ckpt"))
    assert seen == whole[7:]
