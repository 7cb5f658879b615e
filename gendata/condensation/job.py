"""One condensation: its data, its method and the order of its stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendata.condensation.stage_training import StageTraining
from gendata.errors import ArtifactError
from gendata.registry import GENERATORS, LATENTS, METHODS

if TYPE_CHECKING:
    import torch

    from gendata.artifact.artifact import CondensedArtifact
    from gendata.checkpoint import RunFolder
    from gendata.condensation.stage_training import ProgressHook
    from gendata.methods.method import Method
    from gendata.recipe import Recipe
    from gendata.sources.source import Source


class Job:
    """One condensation: its data, method and loop."""

    def __init__(self, recipe: Recipe, *, data_root: Path | None, source: Source | None = None) -> None:
        import torch
        from accelerate import Accelerator

        from gendata.artifact.manifest import size_faults
        from gendata.artifact.modules import check_noise, check_slots, check_work
        from gendata.methods.method import RealData
        from gendata.sources.balance import hold_out
        from gendata.sources.source import open_source
        from gendata.sources.statistics import pixel_statistics

        self.recipe = recipe
        self.source: Source = source or open_source(recipe.source, data_root=data_root)
        spec = self.source.spec
        self.accelerator = Accelerator()  # for its device and its processes; precision is the recipe's
        device = self.accelerator.device
        fit, validation = hold_out(self.source.split("train"), classes=self.source.spec.classes)
        self.num_validation = len(validation.y)
        self.mean, self.std = pixel_statistics(fit)
        real = RealData(x_u8=fit.x.to(device), y=fit.y.to(device), spec=spec, mean=self.mean, std=self.std)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            law = LATENTS.load(recipe.latent.name)(_config(LATENTS, recipe.latent), num_classes=spec.num_classes)
            generator = GENERATORS.load(recipe.generator.name)(
                _config(GENERATORS, recipe.generator), spec=spec, latent_dim=law.dim
            )
        # Found now, before hours of training, not when the artifact is saved.
        check_noise(generator, law, where="latent.options.noise")
        check_slots(law, ipc=recipe.artifact.ipc, where="artifact.ipc")
        check_work(generator, law, micro_batch=recipe.artifact.micro_batch, where="artifact.micro_batch")
        self.method: Method = METHODS.load(recipe.method.name)(
            _config(METHODS, recipe.method), generator=generator, law=law, real=real, seed=recipe.seed
        ).to(device)
        self.method.storage, self.method.ipc = recipe.artifact.storage, recipe.artifact.ipc
        self.method.latent_storage = recipe.artifact.latent_storage or recipe.artifact.storage
        for fault in size_faults(
            spec,
            ipc=recipe.artifact.ipc,
            micro_batch=recipe.artifact.micro_batch,
            value_bytes=4 if self.method.space else 1,
        ):
            raise ArtifactError(fault, where="artifact", remedy="Lower ipc, micro_batch or the size of images.")
        if recipe.precision == "bf16":  # its convolutions are several times faster this way on a CPU with AMX
            _to_channels_last(generator)

    def claim(self) -> dict[str, str]:
        """What must be the same when a run is taken up again."""
        import torch

        import gendata

        processes = self.accelerator.num_processes
        return {
            "recipe digest": self.recipe.digest(),
            "source fingerprint": self.source.fingerprint,
            "gendata version": gendata.__version__,
            "torch version": str(torch.__version__),
            "device": f"{self.accelerator.device.type} x {processes}",
            "list of stages": ", ".join(f"{stage.name} {stage.num_steps}" for stage in self.method.stages()),
        }

    def run(self, folder: RunFolder, on_progress: ProgressHook | None) -> None:
        """All stages, from the last checkpoint on."""
        from gendata.artifact.arithmetic import full_float32

        with full_float32(self.accelerator.device):
            self._run(folder, on_progress)

    def _run(self, folder: RunFolder, on_progress: ProgressHook | None) -> None:
        from gendata.training_state import restore

        self.method.begin(None)
        stages = self.method.stages()
        saved = folder.load()
        first = saved.stage if saved else 0
        for number in range(first, len(stages)):
            stage = stages[number]
            resumed = saved if saved and number == first else None
            if resumed is None:
                self.method.begin(stage)
                self._agree()
            else:
                restore(self.method, resumed.tensors, prefix="method")
            training = StageTraining(self, stage)
            if resumed:
                training.load(resumed)
            training.run(number, folder, on_progress)
            training.finish()
        self.method.finish()

    def _agree(self) -> None:
        """Every process goes on from what the first one has: what each fits for itself may differ in its last bits."""
        import torch

        from gendata.training_state import named_tensors

        if self.accelerator.num_processes == 1:
            return
        with torch.no_grad():
            for tensor in named_tensors(self.method, prefix="method").values():
                sent = tensor.contiguous()
                torch.distributed.broadcast(sent, src=0)
                tensor.copy_(sent)

    def save(self, out: Path, folder: RunFolder) -> CondensedArtifact:
        """The artifact at `out`; then the run state is no longer needed."""
        import torch

        from gendata.artifact.artifact import Draft, Normalisation, open_artifact, save_artifact
        from gendata.artifact.manifest import CondensedOn
        from gendata.dataset.grid import draft_preview

        if not self.accelerator.is_main_process:
            self.accelerator.wait_for_everyone()
            return open_artifact(out)
        facts, plan = self.source.facts(), self.recipe.artifact
        draft = Draft(
            generator_name=self.recipe.generator.name,
            generator=self.method.generator.cpu().to(memory_format=torch.contiguous_format),
            latent_name=self.recipe.latent.name,
            law=self.method.law.cpu(),
            spec=self.source.spec,
            ipc=plan.ipc,
            frozen_seed=plan.frozen_seed,
            micro_batch=plan.micro_batch,
            storage=plan.storage,
            latent_storage=plan.latent_storage,
            normalisation=Normalisation(mean=self.mean, std=self.std),
            recipe=self.recipe.portable(),
            source=facts,
            license=facts.license,
            citation=facts.citation,
            condensed_on=CondensedOn(
                device=self.claim()["device"], isa=torch.backends.cpu.get_cpu_capability(), threads=folder.threads
            ),
            label_head=self.method.label_head.cpu() if self.method.label_head else None,
            dtype="float32" if self.method.space else "uint8",
            space=self.method.space,
            scales={f"latent.{name}": scales for name, scales in self.method.law_scales.items()},
        )
        artifact = save_artifact(out, draft, preview=draft_preview(draft))
        folder.forget()
        self.accelerator.wait_for_everyone()
        return artifact


def _to_channels_last(module: torch.nn.Module) -> None:
    """Lays out weights of convolutions so that an image's channels lie together; a bank of images stays as it is."""
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


def _config(registry: Any, choice: Any) -> Any:
    return registry.config(choice.name, choice.options, where=choice.name)
