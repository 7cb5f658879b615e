from __future__ import annotations

import msgspec
import pytest
import torch

from gendata.artifact.artifact import CondensedArtifact
from gendata.errors import SpecError, UnknownNameError
from gendata.evaluation import evaluate
from gendata.evaluation.batching import batching_of
from gendata.evaluation.preparation import Normaliser, Preparation, preparation_of
from gendata.evaluation.protocols import DC, DSA, PROTOCOLS, get_protocol, require_own_name, require_runnable
from gendata.evaluation.schedules import Clock, schedule_of
from gendata.evaluation.seeds import derive, generator
from gendata.evaluation.selection import selection_of
from gendata.evaluation.steps import step_of
from gendata.evaluation.training import Feed, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.spec import SampleSpec


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_function_that_a_protocol_names_exists(protocol: msgspec.Struct) -> None:
    for find, field in (
        (schedule_of, "schedule"),
        (batching_of, "batching"),
        (step_of, "step"),
        (selection_of, "selection"),
    ):
        find(getattr(protocol, field))
    preparation_of(protocol, source_name="digits", normalise=Normaliser((0.0,), (1.0,)))  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_protocol_is_data_that_survives_json(protocol: msgspec.Struct) -> None:
    assert msgspec.json.decode(msgspec.json.encode(protocol), type=type(protocol)) == protocol


def test_the_published_loops_make_one_pass_more_than_they_say() -> None:
    assert (DC.passes, DSA.passes) == (301, 1001)


@pytest.mark.parametrize(("protocol", "after"), [(DC, 151), (DSA, 501)], ids=["dc", "dsa"])
def test_the_published_loops_drop_the_rate_once_with_a_new_optimiser(protocol: msgspec.Struct, after: int) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    schedule = schedule_of(protocol.schedule)  # type: ignore[attr-defined]
    first, renewed = torch.optim.SGD([weight], lr=0.01), []

    def renew(lr: float) -> torch.optim.Optimizer:
        renewed.append(lr)
        return torch.optim.SGD([weight], lr=lr)

    epochs = protocol.epochs  # type: ignore[attr-defined]
    changes = [i for i in range(epochs + 1) if schedule(Clock(i, epochs, 0.01), first, renew) is not first]
    assert changes == [after]
    assert renewed == pytest.approx([0.001])


def test_dsa_at_ipc_10_processes_1001_times_100_images() -> None:
    spec = SampleSpec(channels=1, height=4, width=4, classes=tuple("0123456789"))
    data = torch.zeros(100, 1, 4, 4, dtype=torch.uint8), torch.arange(10).repeat_interleave(10)
    feed = Feed(images=lambda index: data, protocol=DSA, steps_per_pass=1, distinct_images=100, num_bytes=None)
    network = build_network("mlp1-w1", spec=spec, seed=0)
    assert train(network, feed, seed=0, prepare=Preparation(normalise=Normaliser((0.0,), (1.0,)))) == 1001 * 100


def test_a_name_without_version_means_the_newest() -> None:
    assert get_protocol("dsa") is get_protocol("dsa/v1")


def test_an_unknown_protocol_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'dsa/v1'"):
        get_protocol("dsa/v9")


def test_a_declared_protocol_refuses_to_run() -> None:
    with pytest.raises(SpecError, match="declared"):
        require_runnable(msgspec.structs.replace(DSA, status="declared"))


def test_a_changed_record_under_a_published_name_is_refused(opened: CondensedArtifact) -> None:
    changed = msgspec.structs.replace(DSA, epochs=1, lr=0.1)
    with pytest.raises(SpecError, match="called dsa/v1 and has another lr, epochs"):
        evaluate(opened, protocol=changed, rows=("frozen",), runs=1)
    require_own_name(DSA)
    require_own_name(msgspec.structs.replace(changed, name="mine/v1"))


@pytest.mark.parametrize(
    ("find", "name"),
    [
        (schedule_of, Choice(name="cosinus")),
        (batching_of, "sorted"),
        (step_of, Choice(name="hinge")),
        (selection_of, Choice(name="luckiest")),
    ],
)
def test_an_unknown_function_name_is_an_error(find: object, name: object) -> None:
    with pytest.raises(UnknownNameError, match="one of"):
        find(name)  # type: ignore[operator]


def test_keys_decide_draws_and_different_keys_differ() -> None:
    assert derive(1, "shuffle", 2) == derive(1, "shuffle", 2)
    assert len({derive(seed, purpose, i) for seed in (0, 1) for purpose in ("a", "b") for i in (0, 1)}) == 8
    assert torch.equal(torch.rand(3, generator=generator(1, "x")), torch.rand(3, generator=generator(1, "x")))
    assert derive(1 + 2**32, "x") != derive(1, "x")
