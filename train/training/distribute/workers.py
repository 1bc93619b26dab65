"""Several processes, usually on several machines, that train one model together.

TensorFlow's MultiWorkerMirroredStrategy adds up their gradients. Every process runs the
same command with its own index, and takes its share of every batch, so batch, learning
rate and order do not depend on their number. Worker 0, the chief, writes the run; the
others train in a temporary folder, which they remove.

Batch norms share their statistics, as over one batch. With several GPUs in a machine,
each of its processes uses all of them.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.run import Run


class Dismissed(Exception):
    """Ends a worker that is not the chief, when the training is over."""


@dataclasses.dataclass
class Workers:
    """The processes of a training, as one of them sees them.

    Attributes:
        index: Of this process; 0 is the chief.
        count: Number of processes.
        strategy: Of TensorFlow; None for one process without several GPUs.
        folder: In which a worker that is not the chief makes its run.
    """

    index: int = 0
    count: int = 1
    strategy: "tf.distribute.Strategy | None" = None
    folder: Path | None = None
    _has_begun: bool = False

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """Number of parts that a batch is divided into."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    def begin_run(self, path: Path) -> Run:
        """Returns the run in a folder, or for others than the chief an empty one."""
        return Run.open(path if self.folder is None else self.folder / "run")

    def open_run(self, path: Path) -> Run:
        """Returns the run in a folder, or this worker's own copy of it.

        The copy has the finished stages, and shares the decoded images.
        """
        run = Run.open(path)
        if self.folder is None:
            return run
        own = self.folder / "run"
        own.mkdir()
        for file in path.glob("*.*"):
            if file.is_file():
                shutil.copy(file, own)
        for stage in run.stages():
            shutil.copytree(stage.path, own / stage.path.relative_to(path))
        if (path / "cache").exists():
            (own / "cache").symlink_to((path / "cache").resolve())
        return Run.open(own)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context in which a model is compiled."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def place(self, model: keras.Model) -> keras.Model:
        """Returns a copy of a model whose variables all workers share.

        Alone, it is the model itself.
        """
        if self.strategy is None:
            return model
        with self.scope():
            copy = keras.models.clone_model(model, clone_function=_copy_layer)
            copy.set_weights(model.get_weights())
        return copy

    def require_batch(self, batch_size: int) -> None:
        """Raises `RequestError` for a batch that cannot be divided."""
        if batch_size % self.replicas:
            raise RequestError(
                f"Batches of {batch_size} images cannot be divided among "
                f"{self.replicas} workers or GPUs; choose a multiple of "
                f"{self.replicas}, not above the number of training photos."
            )

    def require_means(self, *, is_mean: bool) -> None:
        """Raises `RequestError` if workers cannot measure what compares epochs.

        Each sees its share of the images, which is enough only for a mean over them.
        """
        if self.strategy is not None and not is_mean:
            raise RequestError(
                "A model with boxes trains in one process on one GPU; train without "
                "--workers and TF_CONFIG, and with CUDA_VISIBLE_DEVICES=0 if there are "
                "several GPUs."
            )

    def distribute(
        self, batches: "tf.data.Dataset", class_weights: Mapping[int, float] | None
    ) -> Any:
        """Returns the arguments of `Model.fit` for training batches.

        Args:
            batches: This worker's part of each batch.
            class_weights: Of the loss, by class.
        """
        if self.strategy is None:
            return {"x": batches, "class_weight": class_weights}
        if class_weights:
            batches = batches.map(_weigh_by(class_weights))
        local = self.replicas // self.count
        if local > 1:
            batches = batches.map(lambda *batch: _split(batch, local)).unbatch()
        # Keras divides other data sets among the replicas, and cannot weigh these.
        return {"x": self.strategy.distribute_datasets_from_function(lambda _: batches)}

    def divide(self, batches: "tf.data.Dataset") -> "tf.data.Dataset":
        """Returns whole batches, of which every worker evaluates its part."""
        if self.strategy is None:
            return batches
        options = tf.data.Options()
        policy = tf.data.experimental.AutoShardPolicy
        options.experimental_distribute.auto_shard_policy = policy.DATA
        return batches.with_options(options)

    def begin(self, settings: str, state: Path) -> None:
        """Begins a training: gives every worker the state that the chief has saved.

        Args:
            settings: Everything that the training depends on.
            state: The file of the state, if there is one.

        Raises:
            Dismissed: The chief has nothing to train.
            RequestError: Its settings are other ones.
        """
        if self.count == 1:
            return
        self._has_begun = True
        expected = self._take_from_chief(settings.encode())
        if not expected:
            raise Dismissed("worker 0 has nothing to train")
        if settings.encode() != expected:
            raise self._differs()
        exists = self.is_chief and state.exists()
        content = self._take_from_chief(state.read_bytes() if exists else b"")
        if content and not self.is_chief:
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_bytes(content)

    def leave(self) -> None:
        """Ends a training; only the chief returns.

        Raises:
            Dismissed: This is not the chief.
        """
        if not self.is_chief:
            raise Dismissed("worker 0 finishes the run")

    def end(self) -> None:
        """Ends without a training, together with the others.

        Raises:
            RequestError: The others have something to train.
        """
        if self.count == 1 or self._has_begun:
            return
        if self._take_from_chief(b""):
            raise self._differs()

    def _differs(self) -> RequestError:
        return RequestError(
            f"Worker {self.index} has other images or settings than worker 0; give all "
            "the same command, the same data and the same version of corallite."
        )

    def _take_from_chief(self, content: bytes) -> bytes:
        """Returns the chief's bytes: the sum over all, where the others have zeros."""
        size = int(self._add(np.array([len(content)], np.int32))[0])
        words = np.zeros(-(-size // 4), np.int32)
        words.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
        return self._add(words).tobytes()[:size] if size else b""

    def _add(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the sum of the int32 `[n]` of all workers, 0 but for the chief."""
        values = tf.constant(numbers)

        def share() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group == 0
            return tf.where(is_first, values, tf.zeros_like(values))

        strategy: Any = self.strategy
        add = tf.function(
            lambda: strategy.reduce(
                tf.distribute.ReduceOp.SUM, strategy.run(share), axis=None
            )
        )
        total: np.ndarray = add().numpy()
        return total


ALONE = Workers()


def _weigh_by(class_weights: Mapping[int, float]) -> Any:
    """Returns a function that adds the weights of the images to a batch."""
    weights = tf.constant([class_weights[x] for x in range(len(class_weights))])
    return lambda images, targets: (
        images,
        targets,
        tf.gather(weights, tf.argmax(targets, axis=-1)),
    )


def _split(batch: Any, parts: int) -> Any:
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, (parts, x.shape[0] // parts, *x.shape[1:])), batch
    )


def _copy_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        config["synchronized"] = True
    copy = type(layer).from_config(config)
    copy.trainable = layer.trainable
    return copy
