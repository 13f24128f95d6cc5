"""The same run on another number of processes: every global batch, stopped on some of them and resumed on others."""

from __future__ import annotations

import json
import re

import forks
import pytest
from archives import mlt

pytestmark = pytest.mark.once

COUNTS = [1, 2, 3, 4, 6]  # processes
EXAMPLES, BATCH, STEPS = 29, 12, 6  # three steps an epoch, the last of which is filled up with 7, and two epochs
WORKERS = {1: 2, 2: 1, 3: 0, 4: 0, 6: 0}  # of a loader, by processes
STOPS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5}  # steps, by processes: in both epochs and between them

# One process imports this project as well, and forks all those that train.
FORKED = """
import gc, hashlib, json, logging, os, socket, sys, traceback
import datasets, numpy, torch, transformers
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainingArguments

import mlt_s
from mlt_s_tools.training import (
    ArchiveDataset, EpochCallback, GlobalBatchSampler, TextTrainer, TrainTransform, collate
)

mlt_s.logger.setLevel("ERROR")
data_dir, out = sys.argv[1:]
gc.freeze()  # as in forks.py, of what was imported here


def made_transform():
    return TrainTransform((0.5,) * 3, (0.25,) * 3, size=(16, 16), seed=3)


def with_id(example):
    return {**transform(example), "image_id": example["image_id"]}


def forked(processes, work):
    # Runs work(rank, processes) in processes of their own that meet by gloo; what each returns.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ.update(
            MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free.getsockname()[1]), WORLD_SIZE=str(processes),
            LOCAL_WORLD_SIZE=str(processes),
        )
    global transform
    children = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            transform = made_transform()  # its epoch lies in memory that is shared with the children of its process
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            if processes == 1:
                for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
                    os.environ.pop(name)
            try:
                told = work(rank, processes)
                with open(f"{out}/rank{rank}.json", "w") as file:
                    json.dump(told, file)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * processes
    return [json.load(open(f"{out}/rank{rank}.json")) for rank in range(processes)]


def digests(batch):
    # One for the arrays of each example of a batch.
    arrays = zip(batch["pixel_values"].numpy(), batch["labels"].numpy())
    return [hashlib.sha1(pixels.tobytes() + labels.tobytes()).hexdigest() for pixels, labels in arrays]


def network(chance=0.0):
    # Without statistics of the batch, which depend on how it is split, and by default without chance, too.
    torch.manual_seed(0)
    return Network(transformers.PretrainedConfig(num_labels=2, semantic_loss_ignore_index=255, chance=chance))


class Network(transformers.PreTrainedModel):
    config_class = transformers.PretrainedConfig
    main_input_name = "pixel_values"

    def __init__(self, config):
        super().__init__(config)
        self.first, self.last = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 2, 1)
        self.post_init()

    def forward(self, pixel_values, labels=None):
        inner = torch.nn.functional.dropout(torch.relu(self.first(pixel_values)), self.config.chance, self.training)
        logits = self.last(inner)
        loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=255)
        return {"loss": loss, "logits": logits}
"""

PLAIN = """
def plain(parts, workers):
    # A loop in plain PyTorch, from step to step of the run, for each of (the file of a model or None, first, last).
    def work(rank, processes):
        if processes > 1:
            torch.distributed.init_process_group("gloo", rank=rank, world_size=processes)
        told = [trained(rank, processes, *part, workers) for part in parts]
        if processes > 1:
            torch.distributed.barrier()
        return told

    return work


def trained(rank, processes, model_file, done, last, workers):
    model = network()
    if model_file:
        model.load_state_dict(torch.load(model_file))
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    train = ArchiveDataset(data_dir, "train", with_id)
    sampler = GlobalBatchSampler(len(train), BATCH, processes, rank, seed=5)
    loader = DataLoader(
        train, sampler.per_process, sampler=sampler, num_workers=workers,
        collate_fn=lambda examples: collate(examples, keep=["image_id"]),
    )
    told = []
    while done < last:
        epoch, first = divmod(done, sampler.steps)
        sampler.set_epoch(epoch, first)
        transform.set_epoch(epoch)
        for batch in loader:
            done += 1
            logits = model(batch["pixel_values"], batch["labels"])["logits"]
            pixels = (batch["labels"] != 255).sum().float()
            loss = torch.nn.functional.cross_entropy(logits, batch["labels"], ignore_index=255, reduction="sum")
            loss.backward()
            shared = [loss.detach(), pixels, *(weights.grad for weights in model.parameters())]
            for values in shared if processes > 1 else ():
                torch.distributed.all_reduce(values)
            for values in shared[2:]:
                values /= shared[1]
            optimizer.step()
            optimizer.zero_grad()
            told.append([batch["image_id"], digests(batch), (shared[0] / shared[1]).item()])
            if done == last:
                break
    if rank == 0 and done < STEPS:
        torch.save(model.state_dict(), f"{out}/stopped on {processes}")
    return told


def joined(told):
    # The global batches, of what the processes told of theirs.
    return [[sum((one[0] for one in step), []), sum((one[1] for one in step), []), step[0][2]] for step in zip(*told)]


whole, resumed = {}, {}
for n in COUNTS:
    told = forked(n, plain([(None, 0, STEPS), (None, 0, STOPS[n])], WORKERS[n]))
    whole[n], before = (joined(part) for part in zip(*told))
    assert before == whole[n][: STOPS[n]]
for m in COUNTS:
    others = [n for n in COUNTS if n != m]
    told = forked(m, plain([(f"{out}/stopped on {n}", STOPS[n], STEPS) for n in others], WORKERS[m]))
    resumed.update({f"{n}>{m}": joined(part) for n, part in zip(others, zip(*told))})
"""

TRAINER = """
class Seen(TextTrainer):
    # Notes the arrays of each example that it trains on.
    def training_step(self, model, inputs, num_items_in_batch=None):
        seen.append([self.state.global_step, digests(inputs)])
        return super().training_step(model, inputs, num_items_in_batch)


class Stop(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = control.should_save = state.global_step == self.step


seen, said = [], []
logs = logging.Handler()
logs.emit = lambda record: said.append(record.getMessage())
logging.getLogger("mlt_s_tools").addHandler(logs)


def trainer(folder, train=None, callbacks=(), global_batch_size=BATCH, **options):
    usual = {"per_device_train_batch_size": 4, "save_strategy": "no", "seed": 7}
    args = TrainingArguments(
        folder, num_train_epochs=2, learning_rate=0.5, optim="sgd", use_cpu=True, report_to=[], disable_tqdm=True,
        remove_unused_columns=False, logging_steps=1, lr_scheduler_type="cosine", **{**usual, **options},
    )
    return Seen(
        network(), args, data_collator=collate, global_batch_size=global_batch_size,
        train_dataset=train or ArchiveDataset(data_dir, "train", transform),
        callbacks=[EpochCallback(transform), *callbacks],
    )


def relay(folder, start, stop, prepared, workers):
    def work(rank, processes):
        train = None
        if prepared:
            train = datasets.load_dataset("mlt_s", data_dir=data_dir, split="train", cache_dir=f"{out}/cache")
            train = train.with_transform(transform)
        run = trainer(folder, train, [Stop(stop)], dataloader_num_workers=workers)
        run.train(resume_from_checkpoint=f"{folder}/checkpoint-{start}" if start else None)
        losses = [[line["loss"], line["learning_rate"]] for line in run.state.log_history if "loss" in line]
        split = [run.args.per_device_train_batch_size, run.args.gradient_accumulation_steps]
        weights = torch.cat([value.flatten() for value in run.model.parameters()]).tolist()
        told = {"seen": seen, "losses": losses, "said": said, "split": split, "weights": weights}
        if processes > 1:
            torch.distributed.barrier()
        return told

    return work


def refused(step=None, **options):
    try:
        trainer(f"{out}/refused", **options).train(step and f"{out}/{step}")
    except ValueError as error:
        return str(error)


def refusals(rank, processes):
    stream = datasets.load_dataset("mlt_s", data_dir=data_dir, split="train", streaming=True)
    trainer(f"{out}/usual", global_batch_size=None, callbacks=[Stop(1)]).train()
    relayed, usual = "relay/checkpoint-4", "usual/checkpoint-1"
    told = {
        "accumulated": refused(gradient_accumulation_steps=2),
        "stream": refused(train=stream),
        "batch": refused(relayed, global_batch_size=6),
        "seed": refused(relayed, seed=8),
        "without": refused(relayed, global_batch_size=None),
        "with": refused(usual),
    }
    said.clear()
    told["none"] = refused(usual, global_batch_size=None, per_device_train_batch_size=6, max_steps=2)
    return {**told, "said": said}


(alone,) = forked(1, relay(f"{out}/alone", 0, STEPS, False, 0))
legs = []
for leg, n in enumerate([1, 2, 3, 4, 6, 1]):
    legs.append(forked(n, relay(f"{out}/relay", leg, leg + 1, n in (2, 4), int(n < 3))))
json.dump([whole, resumed, forked(1, refusals), alone, legs], open(f"{out}/told.json", "w"))
"""


def run(code, data_dir, out):
    """Runs code in a process of its own; what it tells."""
    script = out / "run.py"
    script.write_text(code, encoding="utf-8")
    (done,) = forks.run_script(script, out, data_dir, out)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((out / "told.json").read_text())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return mlt(tmp_path_factory.mktemp("mlt"), train=EXAMPLES, validation=1, width=24, height=20)


@pytest.fixture(scope="module")
def told(data_dir, tmp_path_factory):
    """The batches of plain loops, whole and resumed, and of trainers, uninterrupted and resumed several times."""
    out = tmp_path_factory.mktemp("out")
    facts = f"COUNTS, BATCH, STEPS, WORKERS, STOPS = {COUNTS}, {BATCH}, {STEPS}, {WORKERS}, {STOPS}\n"
    return run(FORKED + facts + PLAIN + TRAINER, data_dir, out)


def test_a_loop_has_the_same_global_batches_on_any_number_of_processes(told):
    whole, *_ = told
    expected = whole["1"]
    ids = [step[0] for step in expected]
    for epoch in (ids[:3], ids[3:]):
        assert len(set(sum(epoch, [])[:EXAMPLES])) == EXAMPLES and {len(step) for step in epoch} == {BATCH}
        assert sum(epoch, [])[EXAMPLES:] == epoch[0][:7]  # filled up with the first of the epoch
    assert ids[:3] != ids[3:]
    crops = [dict(zip(sum(ids[e : e + 3], []), sum((s[1] for s in expected[e : e + 3]), []))) for e in (0, 3)]
    assert all(crops[0][name] != crops[1][name] for name in crops[0])  # another epoch, other crops
    for count in COUNTS:
        assert_same(whole[str(count)], expected)


def test_a_stopped_loop_resumes_on_any_other_number_of_processes(told):
    whole, resumed, *_ = told
    assert len(resumed) == 20
    for pair, steps in resumed.items():
        assert_same(steps, whole["1"][STOPS[int(pair[0])] :])


def assert_same(steps, expected):
    assert [step[:2] for step in steps] == [step[:2] for step in expected]  # ids, and digests of the arrays
    assert [step[2] for step in steps] == pytest.approx([step[2] for step in expected], rel=1e-5)


def test_a_trainer_resumes_on_other_numbers_of_processes_with_the_same_steps(told):
    """From 1 process to 2, 3, 4, 6 and back, from archives and on 2 and 4 from the prepared set."""
    *_, alone, legs = told
    assert alone["split"] == [4, 3]
    assert [leg[0]["split"] for leg in legs] == [[4, 3], [3, 2], [4, 1], [3, 1], [2, 1], [4, 3]]
    (said,) = alone["said"]
    assert [int(number) for number in re.findall(r"\d+", said)] == [EXAMPLES, BATCH, 7] and "same epoch" in said
    steps = [set(sum((digests for at, digests in alone["seen"] if at == step), [])) for step in range(STEPS)]
    assert [len(step) for step in steps] == [BATCH] * STEPS and steps[0] != steps[3]
    for step, leg in enumerate(legs):
        own = [[digests for at, digests in one["seen"]] for one in leg]
        assert {at for one in leg for at, _ in one["seen"]} == {step}
        in_order = [digest for batches in zip(*own) for batch in batches for digest in batch]
        assert len(in_order) == BATCH and set(in_order) == steps[step]
        assert in_order == sum((digests for at, digests in alone["seen"] if at == step), [])
        for one in leg:
            assert one["losses"] == [pytest.approx(line, rel=1e-4) for line in alone["losses"][: step + 1]]
            assert ("resumes on" in str(one["said"])) == (step > 0)
    assert legs[-1][0]["weights"] == pytest.approx(alone["weights"], rel=1e-4, abs=1e-6)


# --- What is refused


def test_other_batches_than_those_of_the_checkpoint_are_refused(told):
    (refused,) = told[2]
    assert "gradient_accumulation_steps" in refused["accumulated"]
    assert "ArchiveDataset" in refused["stream"]
    assert "global_batch_size 12 (now 6)" in refused["batch"]
    assert "seed 7 (now 8)" in refused["seed"]
    assert "global_batch_size 12 (now None)" in refused["without"]
    assert "without global_batch_size" in refused["with"]
    assert refused["none"] is None and len(refused["said"]) == 1
    assert "had 4 examples" in refused["said"][0] and "has 6" in refused["said"][0]


@pytest.mark.parametrize(
    "batch, parts, said",
    [(12, 5, "It has for 1, 2, 3, 4, 6, 12."), (4, 8, "It has for 1, 2, 4."), (0, 2, "it has at least one example.")],
)
def test_a_global_batch_without_equal_parts_is_refused(batch, parts, said):
    from mlt_s_tools.training import GlobalBatchSampler

    with pytest.raises(ValueError) as raised:
        GlobalBatchSampler(100, batch, processes=parts)
    assert str(batch) in str(raised.value) and str(parts) in str(raised.value) and said in str(raised.value)
