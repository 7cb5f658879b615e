"""The protocols of the field, and ours. Values were read in the papers' code; see each record's `source`."""

from __future__ import annotations

from msgspec.structs import replace

from gendata.errors import SpecError, unknown_name
from gendata.evaluation.protocol import Protocol, Suite
from gendata.recipe import Choice

__all__ = [
    "PROTOCOLS",
    "SUITES",
    "Protocol",
    "Suite",
    "get_protocol",
    "members_of",
    "require_own_name",
    "require_runnable",
]

_DIGITS = ("digits", "mnist", "svhn", "usps")
_SGD = Choice(name="sgd", options={"momentum": 0.9, "weight_decay": 5e-4})
_ADAMW = Choice(name="adamw", options={"weight_decay": 0.01, "decay_vectors": False})
_LAST = Choice(name="last-pass")
_NO_DROP = Choice(name="constant")
_DIFFAUG_COLOR_CROP = Choice(name="diffaug", options={"strategy": "color_crop"})
_CUTMIX_HALF = Choice(name="cutmix", options={"prob": 0.5, "beta": 1.0})
_CUTMIX = Choice(name="cutmix", options={"prob": 1.0, "beta": 1.0})
_DISTIL = Choice(name="teacher-divergence", options={"temperature": 20.0})
_DSA = Choice(
    name="dsa",
    options={
        "strategy": "color_crop_cutout_flip_scale_rotate",
        "brightness": 1.0,
        "saturation": 2.0,
        "contrast": 0.5,
        "crop_pad": 0.125,
        "cutout": 0.5,
        "flip": 0.5,
        "scale": 1.2,
        "rotate": 15.0,
        "align_corners": False,
    },
)
_DSA_ALIGNED = replace(_DSA, options={**_DSA.options, "align_corners": True})

# --- one loop and its descendants ---------------------------------------------------------------------------------

# "exact": under equal draws, the trained weights equal those of the published code bit for bit (torch 2.15, CPU, plain
# blocks; the fused ones that a CPU runs differ in rounding alone). Golden tests hold numbers of the published code.
DC = Protocol(
    name="dc/v1",
    status="exact",
    summary="Dataset Condensation (Zhao, Mopuri, Bilen 2021): SGD, no augmentation, 301 passes.",
    source="VICO-UoE/DatasetCondensation 53f63a67: main.py, utils.py",
    network="convnet3-w128-in",
    optimiser=_SGD,
    lr=0.01,
    epochs=300,
    extra_pass=True,
    schedule=Choice(name="drop-renewed", options={"after": "half-plus-one", "factor": 0.1}),
    batch=256,
    batching="shuffled-keep-last",
    adaptation="dc",
    no_flip_sources=_DIGITS,
    step=Choice(name="cross-entropy"),
    selection=_LAST,
    spread="population",
    runs=5,  # published: 5 sets x 20 networks
    full_epochs=30,
)

DSA = replace(
    DC,
    name="dsa/v1",
    summary="Differentiable Siamese Augmentation (Zhao, Bilen 2021): as dc/v1 with DSA, 1001 passes.",
    epochs=1000,
    augmentation=(_DSA,),
    adaptation=None,
)

DM = replace(
    DSA,
    name="dm/v1",
    status="implemented",
    summary="Distribution Matching (Zhao, Bilen 2023): as dsa/v1, 5 networks per set.",
    source="VICO-UoE/DatasetCondensation 53f63a67: main_DM.py",
)

MTT = replace(
    DSA,
    name="mtt/v1",
    status="implemented",
    summary="Matching Training Trajectories (Cazenavette 2022): as dsa/v1 with the learned rate; published sets were "
    "picked on test data.",
    source="GeorgeCazenavette/mtt-distillation: distill.py, utils.py",
    learned_lr=True,
    augmentation=(_DSA_ALIGNED,),
    test_picks_artifact=True,
)

ECCV24 = replace(
    DSA,
    name="eccv24/v1",
    status="implemented",
    summary="Dataset Distillation Challenge, ECCV 2024: as dsa/v1 at IPC 10, ConvNet-3 also at 64 x 64, 3 networks.",
    source="the challenge's rules",
    runs=3,
)

# --- DC-BENCH: the same loop under six augmentations ---------------------------------------------------------------


def _dc_bench(label: str, epochs: int, *augmentation: Choice) -> Protocol:
    bytes_first = label not in ("none", "dsa")  # there the published code cuts fractions of a byte off, ours rounds
    told = f"DC-BENCH (Cui 2022), augmentation {label}: the loop of dc/v1, {epochs + 1} passes, also for soft labels."
    return replace(
        DC,
        name=f"dc-bench-{label}/v1",
        status="implemented" if bytes_first else "exact",
        summary=told,
        source="justincui03/dc_benchmark 2a577119: evaluator_utils.py, evaluator.py",
        epochs=epochs,
        adaptation="dc-bench-autoaug" if label == "autoaug" else None,
        augmentation=augmentation,
    )


_DC_BENCH = (
    _dc_bench("none", 300),
    _dc_bench("dsa", 1000, _DSA),
    _dc_bench("autoaug", 1000, Choice(name="autoaug")),
    _dc_bench("randaug", 1000, Choice(name="randaug", options={"num_ops": 1})),
    _dc_bench("imagenet-aug", 1000, Choice(name="imagenet-aug")),
    _dc_bench("cifar-aug", 1000, Choice(name="cifar-aug"), Choice(name="cutout", options={"size_px": 16})),
)

# --- generative baselines ------------------------------------------------------------------------------------------

DIM_PAPER = replace(
    DC,
    name="dim-paper/v1",
    status="implemented",
    summary="DiM (Wang 2023) as its code does it: new images and random labels at every step, constant rate, DiffAug, "
    "tested in train mode, best of the tests every 200 epochs.",
    source="vimar-gu/DiM 36573394: validate.py, pool_match.py, augment.py",
    epochs=1000,
    extra_pass=False,
    schedule=_NO_DROP,
    batch=64,
    batching="in-order",
    drawing="dim",
    adaptation=None,
    statistics="dim",
    augmentation=(_DIFFAUG_COLOR_CROP,),
    test_mode="train",
    selection=Choice(name="best", options={"every": 200}),
    test_picks_artifact=True,
    runs=1,
)

DIM_FIXED = replace(
    DSA,
    name="dim-fixed/v1",
    status="implemented",
    summary="Ours, for generators under DiM's network and images: the loop of dsa/v1, eval mode, last pass.",
    source="gendata",
)

# --- IDC and its descendants ---------------------------------------------------------------------------------------

IDC = replace(
    DC,
    name="idc/v1",
    status="implemented",
    summary="IDC (Kim 2022): SGD, batch 64, two drops, DiffAug without cutout, CutMix at half the steps, 1000 passes: "
    "what the published code does on CIFAR and Fashion-MNIST. Its settings are others, which are not here, for MNIST "
    "with several images in one, for SVHN at one image per class and, in more than passes, for subsets of ImageNet.",
    source="snu-mllab/Efficient-Dataset-Condensation: argument.py, train.py, misc/augment.py",
    epochs=1000,
    extra_pass=False,
    schedule=Choice(name="multi-step", options={"at": ["2/3", "5/6"], "factor": 0.2}),
    batch=64,
    adaptation="idc",
    augmentation=(Choice(name="diffaug", options={"strategy": "color_crop_flip_scale_rotate"}),),
    mixing=_CUTMIX_HALF,
    runs=3,
)

NCFM = replace(
    IDC,
    name="ncfm/v1",
    summary="NCFM (Wang 2025): AdamW, batch 128, rate halved at every fifth, DiffAug without cutout, CutMix, 2000 "
    "passes, best of the tests every 100; on Tiny ImageNet 300 passes from 10 images per class on, 40 from 50 on.",
    source="gszfwsb/NCFM de92fb8a: condenser/evaluate.py, utils/init_script.py (takes cutout away), config/",
    optimiser=Choice(name="adamw", options={"weight_decay": 0.01}),
    lr=0.001,
    epochs=2000,
    schedule=Choice(name="multi-step", options={"at": ["1/5", "2/5", "3/5", "4/5"], "factor": 0.5}),
    batch=128,
    adaptation="ncfm",
    selection=Choice(name="best", options={"every": 100}),
    runs=10,
)

# --- labels from a teacher -----------------------------------------------------------------------------------------

SRE2L = replace(
    DC,
    name="sre2l/v1",
    status="implemented",
    summary="SRe2L (Yin 2023): AdamW, cosine, CutMix, random resized crops, a teacher's labels, best of the tests "
    "every 10. The published code tests after 1, 11, 21, ... passes and the last; it stores the teacher's answers in "
    "half precision, here it is asked at every step; it draws CutMix per batch, here it is drawn per half of one.",
    source="VILA-Lab/SRe2L 8d00cba3: validate/train_FKD.py, validate/utils.py",
    network="resnet18",
    optimiser=_ADAMW,
    lr=0.001,
    epochs=300,
    extra_pass=False,
    schedule=Choice(name="cosine"),
    batch=1024,
    micro_batch=512,
    adaptation=None,
    statistics="imagenet",
    augmentation=(Choice(name="random-resized-crop", options={"scale": [0.08, 1.0]}), Choice(name="flip")),
    mixing=_CUTMIX,
    step=_DISTIL,
    teacher=True,
    test_view=Choice(name="resize-centre-crop", options={"resize": "8/7"}),
    selection=Choice(name="best", options={"every": 10}),
    runs=1,
)

RDED = replace(
    SRE2L,
    name="rded/v1",
    summary="RDED (Sun 2024): AdamW, half cosine, batch by IPC, patch shuffle and crops (neither up to 64 pixels), "
    "CutMix, a teacher's labels, best of the tests every 10 in the last fifth.",
    source="LINs-lab/RDED 3f6453d8: validation/main.py, argument.py, scripts/",
    network="resnet18-3x3-tv-bn",
    schedule=Choice(name="half-cosine"),
    batch=100,
    micro_batch=None,
    adaptation="rded",
    augmentation=(
        Choice(name="patch-shuffle", options={"factor": 2}),
        Choice(name="random-resized-crop", options={"scale": [0.5, 1.0]}),
        Choice(name="flip"),
    ),
    step=Choice(name="teacher-divergence", options={"temperature": 20.0, "extra_forward": True}),
    test_view=Choice(name="resize-centre-crop", options={"resize": "8/7"}),
    selection=Choice(name="best", options={"every": 10, "start": "4/5"}),
    runs=3,
)

DDRANKING_HARD = replace(
    DSA,
    name="ddranking-hard/v1",
    status="implemented",
    summary="DD-Ranking's hard-label accuracy: one drop with momentum kept, best of the tests every 10, rate searched "
    "on test data where the artifact carries none.",
    source="ddranking 0.2.0: hard_label.py, train_and_eval.py",
    learned_lr=True,
    lr_trials=(0.001, 0.005, 0.01, 0.05, 0.1),
    extra_pass=False,
    schedule=Choice(name="drop", options={"after": "half", "factor": 0.1}),
    augmentation=(_DSA_ALIGNED,),
    selection=Choice(name="best", options={"every": 10}),
)

# --- ours ----------------------------------------------------------------------------------------------------------

QUICK = replace(
    DSA,
    name="quick/v1",
    status="implemented",
    summary="Ours, for a CPU: a ConvNet of width 32, 300 passes of SGD at 0.05 with one drop, DSA.",
    source="gendata",
    network="convnet3-w32-in",
    lr=0.05,
    epochs=300,
    extra_pass=False,
    schedule=Choice(name="drop", options={"after": "two-thirds", "factor": 0.1}),
    runs=3,
    full_epochs=40,
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        QUICK, DC, DSA, DM, MTT, *_DC_BENCH, ECCV24, DIM_PAPER, DIM_FIXED, IDC, NCFM, SRE2L, RDED, DDRANKING_HARD,
    )
}  # fmt: skip

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            name="dc-bench/v1",
            summary="DC-BENCH (Cui 2022): six augmentations, each shown by itself; then best, mean and transfer.",
            members=tuple(protocol.name for protocol in _DC_BENCH),
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol called `name`; without "/v1" the newest of that name.

    Raises:
        UnknownNameError: with the nearest names; a suite is not one protocol.
    """
    full_name = _full(name, PROTOCOLS)
    if full_name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[full_name]


def members_of(name: str) -> tuple[Protocol, ...]:
    """The protocols that `name` stands for: its own, or those of a suite.

    Raises:
        UnknownNameError: with the nearest names.
    """
    suite = SUITES.get(_full(name, SUITES))
    if suite is None and _full(name, PROTOCOLS) not in PROTOCOLS:
        raise unknown_name("protocol", name, [*PROTOCOLS, *SUITES])
    return tuple(map(get_protocol, suite.members)) if suite else (get_protocol(name),)


def require_runnable(protocol: Protocol) -> None:
    """Raises SpecError for a protocol that is only declared."""
    if protocol.status == "declared":
        raise SpecError(
            f"the protocol {protocol.name} is declared, not implemented",
            expected="a protocol that is exact or implemented",
        )


def require_own_name(protocol: Protocol) -> None:
    """Raises SpecError for a changed record under a published name: its rows would pass for that protocol's."""
    published = PROTOCOLS.get(protocol.name, protocol)
    changed = [field for field in protocol.__struct_fields__ if getattr(protocol, field) != getattr(published, field)]
    if changed:
        raise SpecError(
            f"the record is called {protocol.name} and has another {', '.join(changed)}",
            expected="a published protocol as it is: gendata protocol show NAME",
            remedy="Give a changed one its own name: msgspec.structs.replace(protocol, name=...).",
        )


def _full(name: str, known: object) -> str:
    """`name` with its newest version, where it has none."""
    versions = sorted((full for full in known if full.partition("/")[0] == name), key=_version)  # type: ignore[attr-defined]
    return versions[-1] if versions else name


def _version(name: str) -> int:
    return int(name.rpartition("/v")[2])
