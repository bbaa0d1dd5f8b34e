"""One process of a training: build, resume, train epoch by epoch, and, on the chief, keep what came of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError
from taxiway.train import checkpoints, record
from taxiway.train.alive import trainer
from taxiway.train.context import Context
from taxiway.train.data import Source
from taxiway.train.devices import apply_runtime
from taxiway.train.history import RATE, described, metrics_of
from taxiway.train.job import Job, Telling, first_line
from taxiway.train.loops import Loop
from taxiway.train.place import Place, resolved_strategy, start_strategy
from taxiway.train.placement import placed, placed_strategy, table_of
from taxiway.train.report.looking_on import watch_over
from taxiway.train.report.progress import Progress
from taxiway.train.report.watch import Watch
from taxiway.train.request import TrainRequest

__all__ = ["MODEL", "train_here"]

MODEL = "model"
CHECKPOINTS = "checkpoints"


def train_here(
    request: TrainRequest,
    job: Job,
    run_dir: Path,
    place: Place,
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train in this process, from the newest checkpoint on.

    Args:
        request: what is trained.
        job: its functions.
        run_dir: the run's directory.
        place: which process this is.
        say: told of what happens, a line at a time.
        progress: told of every batch on the chief; without it, ``say`` is told now and then.

    Returns:
        The metrics of the last epoch.

    Raises:
        TaxiwayError: it cannot be trained; on the chief, ``run.json`` says so too.
    """
    watch = watch_over(request, run_dir, place, say, progress)
    session = _Session(request, job, run_dir, place, say, watch)
    try:
        return session.run()
    except Exception as error:
        sentence = error.message if isinstance(error, TaxiwayError) else f"{type(error).__name__}: {first_line(error)}"
        session.note(status="failed", error=sentence, finished_at=record.timestamp())
        raise
    except KeyboardInterrupt:
        session.note(status="interrupted")
        raise
    finally:
        watch.close()


class _Session:
    def __init__(
        self, request: TrainRequest, job: Job, run_dir: Path, place: Place, say: Callable[[str], None], watch: Watch
    ) -> None:
        self._watch = watch
        self._request, self._job, self._run_dir, self._place, self._say = request, job, run_dir, place, say
        self._history: list[dict[str, Any]] = []
        self._record: dict[str, Any] = {"schema": 1, "id": run_dir.name, **_started(run_dir)}
        self._stopped = False

    def note(self, **changes: Any) -> None:
        """Put something into ``run.json``; nothing but on the chief."""
        if self._place.is_chief:
            self._record.update(changes)
            record.write_record(self._run_dir, self._record)

    def run(self) -> dict[str, float]:
        import keras
        import tensorflow as tf

        request = self._request
        runtime = apply_runtime(request.runtime, request.seed, self._say)
        table = table_of(self._job, request.params)
        gpus = 0 if table else len(tf.config.list_physical_devices("GPU"))
        name = resolved_strategy(request, gpus, self._place.world > 1)
        self._check_cluster(name)
        strategy = placed_strategy(name, table) if table else start_strategy(name, request)
        self._context = Context(
            params=request.params, seed=request.seed, epoch=0, global_batch=request.global_batch,
            replicas=strategy.num_replicas_in_sync, rank=self._place.rank, world=self._place.world,
        )  # fmt: skip
        keras.utils.set_random_seed(request.seed)
        source = Source(self._job, self._context)
        with strategy.scope():
            model = placed(table, self._model) if table else self._model()
            model.optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *model.optimizer.variables]
        self.note(
            status="running", strategy=name, replicas=strategy.num_replicas_in_sync, params=dict(request.params),
            code=record.code_version(self._job), data=source.fingerprint() if self._place.is_chief else {},
            environment=record.environment(), runtime=runtime.as_json()["settings"], process=trainer(),
        )  # fmt: skip
        self._resume(strategy)
        self._epochs(model, _loop(name, model, strategy, request), source)
        return self._finish(model, source)

    def _model(self) -> Any:
        return build(self._job, self._request.params)

    def _check_cluster(self, name: str) -> None:
        if name == "multi-worker" and self._place.world != max(self._request.workers, 1):
            raise FailedPrecondition(
                f"{self._request.workers} workers were asked for; TF_CONFIG names {self._place.world}."
            )
        if name != "multi-worker" and self._place.world > 1:
            raise InvalidArgument(
                f"TF_CONFIG names {self._place.world} processes; {name} trains in one.", hint="--strategy multi-worker"
            )

    def _resume(self, strategy: Any) -> None:
        found = checkpoints.newest(self._run_dir / CHECKPOINTS)
        epoch = found.epoch if found is not None else 0
        if self._place.world > 1:
            _agree(strategy, epoch)
        if found is not None:
            checkpoints.restore(found, self._variables)
            self._history = [dict(one) for one in found.history]
            self._stopped = found.stopped
            self._say(f"resumes after epoch {epoch}")
        if self._place.is_chief:
            record.write_metrics(self._run_dir, self._history)
        self._watch.begin(self._history)

    def _epochs(self, model: Any, loop: Loop, source: Source) -> None:
        import keras

        with Telling(f"{self._job.name}: callbacks raised", self._job.source):
            given = self._job.callbacks(self._context) if self._job.callbacks is not None else []
        model.stop_training = False
        callbacks = keras.callbacks.CallbackList(
            [*given, *self._watch.callbacks()], model=model, epochs=self._request.epochs, verbose=0
        )
        callbacks.on_train_begin()
        for epoch in range(len(self._history), 0 if self._stopped else self._request.epochs):
            began = time.perf_counter()
            # What a job draws from Python's or NumPy's generators is the same again after a resume.
            keras.utils.set_random_seed((self._request.seed + 1_000_003 * (epoch + 1)) % (1 << 32))
            data = source.at(epoch)
            self._watch.epoch(epoch + 1, data.steps)
            callbacks.on_epoch_begin(epoch)
            logs = loop.train(data.training, callbacks)
            self._watch.trained()
            # Before the callbacks, which may set that of the next epoch.
            rate = _learning_rate(model)
            if data.validation is not None:
                logs.update({f"val_{name}": value for name, value in loop.evaluate(data.validation).items()})
            callbacks.on_epoch_end(epoch, logs)
            entry = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - began, 3), **rate, **logs}
            self._keep(entry, bool(model.stop_training))
            if model.stop_training:
                break
        callbacks.on_train_end()

    def _keep(self, entry: dict[str, Any], stopped: bool) -> None:
        self._history.append(entry)
        if not self._place.is_chief:
            return
        names = [one.path for one in self._variables]
        folder = self._run_dir / CHECKPOINTS
        checkpoints.save(folder, checkpoints.values(self._variables), names, self._history, stopped)
        record.write_metrics(self._run_dir, self._history)
        self._say(f"epoch {entry['epoch']}/{self._request.epochs}  {described(entry)}  {entry['seconds']:.1f} s")
        self._watch.keep(self._history)

    def _finish(self, model: Any, source: Source) -> dict[str, float]:
        metrics = metrics_of(self._history[-1]) if self._history else {}
        if self._place.is_chief:
            self._export(model, source)
            self.note(
                status="finished", finished_at=record.timestamp(), metrics=metrics, epochs=len(self._history),
                seconds=round(sum(one["seconds"] for one in self._history), 3),
            )  # fmt: skip
        return metrics

    def _export(self, model: Any, source: Source) -> None:
        """Export a copy that no strategy holds, so that saving needs no other process."""
        from taxiway.export import ProfileRows, export

        copy = build(self._job, self._request.params)
        for mine, theirs in zip(copy.variables, model.variables, strict=True):
            mine.assign(theirs.numpy())
        inputs, answers, validation = source.profile_rows()
        rows = ProfileRows(inputs, answers, validation)
        what, options = copy, dict[str, Any](warm_up=source.sample(32), profile=rows)
        if self._job.to_export is not None:
            with Telling(f"{self._job.name}: to_export raised", self._job.source):
                answer = self._job.to_export(copy, self._request.params)
            what, given = answer if isinstance(answer, tuple) else (copy, answer)
            if what is not copy or {"signatures", "preprocess"} & set(given):
                # What it takes need not be what the model was trained on; the job can pass profile= of its own.
                options.pop("profile")
            options = {**options, **given}
        shutil.rmtree(self._run_dir / MODEL, ignore_errors=True)
        export(what, self._run_dir / MODEL, **options)


def build(job: Job, params: Mapping[str, Any]) -> Any:
    """The job's model, built and compiled.

    Raises:
        InvalidArgument: ``build_model`` returned something else.
    """
    import keras

    with Telling(f"{job.name}: build_model raised", job.source):
        answer = job.build_model(params)
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping):
        answer[0].compile(**answer[1])
        answer = answer[0]
    if not isinstance(answer, keras.Model):
        raise InvalidArgument(
            f"{job.name}: build_model returned a {type(answer).__name__}, not a keras.Model.",
            hint="Return the compiled model, or (model, {'optimizer': …, 'loss': …}).",
        )
    if not answer.compiled or not answer.built:
        state = "compiled" if not answer.compiled else "built"
        raise InvalidArgument(
            f"{job.name}: build_model returned a model that is not {state}.",
            hint="model.compile(optimizer, loss), and begin with keras.Input(shape).",
        )
    return answer


def _started(run_dir: Path) -> dict[str, str]:
    """When the run was started first, and when again."""
    before, now = record.read_record(run_dir).get("started_at"), record.timestamp()
    return {"started_at": now} if before is None else {"started_at": str(before), "resumed_at": now}


def _learning_rate(model: Any) -> dict[str, float]:
    """What the optimizer's rate is; nothing of one without."""
    rate = getattr(model.optimizer, RATE, None)
    # Of a variable that a strategy holds there is no float(), only .numpy().
    return {} if rate is None else {RATE: float(rate.numpy() if hasattr(rate, "numpy") else rate)}


def _loop(name: str, model: Any, strategy: Any, request: TrainRequest) -> Loop:
    from taxiway.train.loops.coordinator import CoordinatorLoop
    from taxiway.train.loops.fit import FitLoop
    from taxiway.train.loops.replicas import ReplicaLoop

    if name == "parameter-server":
        return CoordinatorLoop(model, strategy, request.workers)
    return ReplicaLoop(model, strategy) if name in ("multi-worker", "central-storage") else FitLoop(model)


def _agree(strategy: Any, epoch: int) -> None:
    """Refuse to go on when ranks would begin at different epochs; they would wait for each other for ever."""
    import tensorflow as tf

    def mine() -> tuple[Any, Any]:
        return tf.constant(float(epoch)), tf.constant(float(epoch * epoch))

    @tf.function  # type: ignore[untyped-decorator]
    def both() -> list[Any]:
        return [strategy.reduce("MEAN", one, axis=None) for one in strategy.run(mine)]

    mean, square = (float(one) for one in both())
    if abs(square - mean * mean) > 1e-3:
        raise FailedPrecondition(
            f"The ranks see different checkpoints; this one is at epoch {epoch}.",
            hint="The run directory must be one that every rank shares.",
        )
