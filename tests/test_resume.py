"""A stream in `TextTrainer`: resumed from its position in every process, and evaluated in several processes."""

from __future__ import annotations

import re

import pytest
from archives import mlt
from test_any_processes import FORKED, run

pytestmark = pytest.mark.once

EXAMPLES = 19
# Steps at which a run is stopped, in the first pass and in the third, by turns at a step and by Ctrl-C in the next one,
# and at which it ends, by processes. A step is two batches of two. Alone, a pass has ten batches or eleven; of two
# processes, one has six and the other four.
STOPS = {1: [1, 2, 11, 12, 14], 2: [1, 2, 5, 7, 8]}
WAYS = [(processes, workers) for processes in STOPS for workers in (0, 2)]

RUN = """
import functools, gc, signal

from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from mlt_s_tools.metrics import TextMetrics, count_logits
from mlt_s_tools.training import EvalTransform


def noted(function):
    # Each member that is read goes into a file, which loader workers write as well.
    def read(member, *rest):
        with open(f"{out}/reads {os.environ.get('RANK', 0)}", "a") as file:
            file.write(os.path.basename(member.name).partition(".")[0] + "\\\\n")
        return function(member, *rest)

    return read


mlt_s.read_member = noted(mlt_s.read_member)


def reads():
    path = f"{out}/reads {os.environ.get('RANK', 0)}"
    lines = open(path).read().split() if os.path.exists(path) else []
    open(path, "w").close()
    return lines


class Seen(TextTrainer):
    def training_step(self, model, inputs, num_items_in_batch=None):
        seen.append([self.state.global_step, inputs.pop("image_id"), digests(inputs)])
        return super().training_step(model, inputs, num_items_in_batch)


class Stop(TrainerCallback):
    def __init__(self, step, by_ctrl_c):
        self.step, self.by_ctrl_c = step, by_ctrl_c

    def on_step_begin(self, args, state, control, **kwargs):
        if self.by_ctrl_c and state.global_step == self.step:
            signal.raise_signal(signal.SIGINT)

    def on_step_end(self, args, state, control, **kwargs):
        if not self.by_ctrl_c and state.global_step == self.step:
            control.should_training_stop = True


def with_pass(example):
    return {**transform(example), "image_id": f"{transform.epoch} {example['image_id']}"}


def stream(split="train", transform=with_pass, buffer_size=1):
    examples = datasets.load_dataset("mlt_s", data_dir=data_dir, split=split, streaming=True)
    examples = examples.shuffle(seed=0, buffer_size=buffer_size)
    return examples.map(transform, remove_columns=examples.column_names)


def trainer(folder, train=None, workers=0, callbacks=(), **options):
    usual = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "save_steps": 1, "max_steps": 16}
    args = TrainingArguments(
        folder, learning_rate=0.3, optim="sgd", use_cpu=True, report_to=[], remove_unused_columns=False, seed=7,
        disable_tqdm=True, logging_steps=1, dataloader_num_workers=workers, batch_eval_metrics=True,
        **{**usual, **options},
    )
    return Seen(
        network(chance=0.2), args, data_collator=functools.partial(collate, keep=["image_id"]), train_dataset=train,
        callbacks=[EpochCallback(transform), *callbacks], compute_metrics=TextMetrics(),
    )


def trained(folder, stop, workers, last, by_ctrl_c=False, checkpoint=None):
    seen.clear()
    reads()
    strategy = "steps" if stop else "no"
    run = trainer(
        folder, stream(), workers, [Stop(stop, by_ctrl_c)], max_steps=last, save_strategy=strategy,
        dataloader_persistent_workers=bool(workers) and "RANK" not in os.environ,
    )
    try:
        run.train(resume_from_checkpoint=checkpoint and f"{folder}/checkpoint-{checkpoint}")
    except KeyboardInterrupt:
        assert by_ctrl_c
    end_workers()
    losses = [line["loss"] for line in run.state.log_history if "loss" in line]
    epochs = [line["epoch"] for line in run.state.log_history if "loss" in line]
    weights = torch.cat([value.flatten() for value in run.model.parameters()]).tolist()
    return {"seen": list(seen), "losses": losses, "epochs": epochs, "weights": weights, "reads": reads()}


def end_workers():
    # Those that persist. The garbage collector, which would find them in the next run, waits 5 seconds for each.
    for one in gc.get_objects():
        if type(one) is _MultiProcessingDataLoaderIter:
            one._shutdown_workers()


seen, said = [], []
logs = logging.Handler()
logs.emit = lambda record: said.append(record.getMessage())
logging.getLogger("mlt_s_tools").addHandler(logs)
"""

STOPPED = """
def stopped(stops, workers):
    def work(rank, processes):
        folder = f"{out}/{processes} {workers}"
        told = [trained(f"{folder} whole", None, workers, stops[-1])]
        for leg, (before, stop) in enumerate(zip([None, *stops], stops)):
            told.append(trained(folder, stop, workers, stops[-1], leg in (1, 3), before))
        return told

    return work
"""

EVALUATED = """
def alone(run, examples):
    metrics = TextMetrics()
    for example in examples:
        batch = collate([example])
        with torch.no_grad():
            metrics.add_counts(count_logits(run.model(**batch)["logits"], batch["labels"]))
    return metrics.compute()


def evaluated(rank, processes):
    told, mlt, two = [], sys.argv[1], sys.argv[1] + " of two"
    for data_dir, size, workers in ((mlt, 1, 0), (mlt, 2, 1), (two, 1, 0), (two, 2, 0)):
        whole = ArchiveDataset(data_dir, "validation", EvalTransform((0.5,) * 3, (0.25,) * 3))
        run = trainer(f"{out}/evaluated", workers=workers, per_device_eval_batch_size=size)
        run.data_collator = collate
        examples = datasets.load_dataset("mlt_s", data_dir=data_dir, split="validation", streaming=True)
        examples = examples.map(whole.transform, remove_columns=examples.column_names)
        by_stream, by_number = run.evaluate(examples), run.evaluate(whole)
        expected = alone(run, whole)
        predicted, by_hand = run.predict(examples), run.predict(whole)
        figures = [{name: one["eval_" + name] for name in expected} for one in (by_stream, by_number)]
        told.append({
            "figures": [expected, *figures],
            "losses": [by_number["eval_loss"], by_stream["eval_loss"], predicted.metrics["test_loss"]],
            "counts": [sorted(one.predictions.tolist()) for one in (predicted, by_hand)],
        })
    return told
"""

REFUSED = """
def refused(**options):
    checkpoint = options.pop("checkpoint", None)
    try:
        trainer(f"{out}/refused", **{"train": stream(), "max_steps": 2, **options}).train(checkpoint)
    except ValueError as error:
        return str(error)


def of_parquet():
    datasets.Dataset.from_dict({"image_id": ["a", "b"]}).to_parquet(f"{out}/train.parquet")
    stream = datasets.load_dataset("parquet", data_files=f"{out}/train.parquet", split="train", streaming=True)
    return stream.shuffle(seed=0, buffer_size=1).map(lambda example: example)


def refusals(rank, processes):
    if processes == 2:
        return [refused(save_strategy="epoch"), refused(checkpoint=f"{out}/written/checkpoint-1")]
    trainer(f"{out}/written", stream(), max_steps=1).train()
    checkpoint = f"{out}/written/checkpoint-1"
    told = {
        "workers": refused(checkpoint=checkpoint, workers=2),
        "buffer": refused(checkpoint=checkpoint, train=stream(buffer_size=100)),
        "Parquet": refused(checkpoint=checkpoint, train=of_parquet()),
        "other": refused(checkpoint=checkpoint, train=stream().shard(num_shards=2, index=0)),
    }
    said.clear()
    trainer(f"{out}/buffered", stream(buffer_size=100), max_steps=1).train()
    told["said"] = list(said)
    with open(f"{out}/buffered/checkpoint-1/stream_0.json", "w") as file:
        file.write("{")
    told["damaged"] = refused(checkpoint=f"{out}/buffered/checkpoint-1")
    os.remove(f"{out}/buffered/checkpoint-1/stream_0.json")
    told["none"] = refused(checkpoint=f"{out}/buffered/checkpoint-1")
    seen.clear()
    told["anew"] = refused(checkpoint=checkpoint, ignore_data_skip=True)
    told["steps"] = [batch[0] for batch in seen]
    return told

told = {
    "stopped": [forked(n, stopped(STOPS[n], workers)) for n, workers in WAYS],
    "evaluated": forked(3, evaluated),
    "refused": [*forked(1, refusals), *forked(2, refusals)],
}
json.dump(told, open(f"{out}/told.json", "w"))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the trainers tell, all of one process that imported the libraries."""
    out = tmp_path_factory.mktemp("out")
    folder = mlt(out / "mlt", train=EXAMPLES, validation=5, width=24, height=20)
    mlt(out / "mlt of two", train=1, validation=2, width=24, height=20)
    code = FORKED + RUN + f"STOPS, WAYS = {STOPS}, {WAYS}\n" + STOPPED + EVALUATED + REFUSED
    return run(code, folder, out)


def test_a_stopped_stream_resumes_as_if_uninterrupted(told):
    for (processes, workers), ranks in zip(WAYS, told["stopped"]):
        stops = STOPS[processes]
        for rank, (whole, *legs) in enumerate(ranks):
            steps = [[batch for batch in whole["seen"] if batch[0] == step] for step in range(stops[-1])]
            assert [len(step) for step in steps] == [2] * stops[-1]
            begun_in = set()
            for leg, (first, stop) in enumerate(zip([0, *stops], stops)):
                resumed = [batch for batch in legs[leg]["seen"] if batch[0] < stop]
                assert resumed == sum(steps[first:stop], []), (processes, workers, leg)
                assert legs[leg]["losses"][:stop] == whole["losses"][:stop]
                if rank == 0:  # which writes the log: its epochs count passes, before the point
                    assert passes(legs[leg])[:stop] == passes(whole)[:stop]
                of_pass = resumed[0][1][0].split()[0]
                begun_in.add(of_pass if first else None)
                assert legs[leg]["reads"]
                again = set(legs[leg]["reads"]) & set(names_of(whole, of_pass, until=first))
                if of_pass == resumed[-1][1][0].split()[0]:
                    assert len(again) <= max(1, workers)  # the shard of two pairs in which a reader stood
            assert begun_in >= {"0", "2"}
            assert legs[-1]["weights"] == whole["weights"]
        for epoch in range(2):  # each pass has each example once
            names = sum((names_of(whole, str(epoch)) for whole, *_ in ranks), [])
            assert len(names) == len(set(names)) == EXAMPLES


def passes(told):
    return [int(epoch) for epoch in told["epochs"]]


def names_of(told, epoch, until=None):
    """What a process trained on in a pass, before a step."""
    names = [name.split() for step, batch, _ in told["seen"] if until is None or step < until for name in batch]
    return [name for of, name in names if of == epoch]


# --- Evaluation in several processes


def test_processes_evaluate_each_image_of_a_stream_once(told):
    """Three processes, with more images than processes and with fewer; in batches of one and of two."""
    for process in told["evaluated"]:
        for (size, images), one in zip([(1, 5), (2, 5), (1, 2), (2, 2)], process):
            alone, *figures = one["figures"]
            assert figures == [alone, alone] and alone["images"] == images, size
            assert one["losses"] == pytest.approx([one["losses"][0]] * 3, rel=1e-5)
            assert one["counts"][0] == one["counts"][1] and len(one["counts"][0]) == images


# --- What is refused, and what is said


def test_where_a_stream_cannot_go_on_exactly_it_is_refused(told):
    told, *of_two = told["refused"]
    assert "1 process(es) with 1 reader(s)" in told["workers"] and "1 process(es) with 2 reader(s)" in told["workers"]
    assert "shuffle buffer of 100" in told["buffer"] and "buffer_size=1" in told["buffer"]
    assert len(told["said"]) == 1 and "shuffle buffer of 100" in told["said"][0]
    assert told["damaged"] == told["none"]
    assert "checkpoint-1 does not say where" in told["none"] and "ignore_data_skip=True" in told["none"]
    assert told["anew"] is None and told["steps"] == [1, 1]
    assert "Parquet" in told["Parquet"]
    assert re.search(r"stream of \d+ shards, and this one has \d+", told["other"])
    for by_epoch, other in of_two:
        assert "save_strategy" in by_epoch and "'steps'" in by_epoch
        assert "1 process(es) with 1 reader(s)" in other and "2 process(es) with 1 reader(s)" in other
