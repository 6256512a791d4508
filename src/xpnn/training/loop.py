"""`Loop`: epoch after epoch, until something says stop; `train` runs one, and heeds Ctrl-C."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from .. import _signals
from .._backends.base import Carry
from .._typing import Array
from ..core.parameters import Params
from ..distributed.agreement import callbacks_on_root
from ..distributed.processes import Communicator
from ..exceptions import ArgumentError, DivergenceError
from ..files.lock import Lock
from .batches import Shuffle
from .checkpoint import Checkpoint
from .history import SERIES, Callback, History, Report
from .identity import Identity, origin, settings
from .state import Done, TrainingState
from .stopping import AdaptiveRate, Stopping
from .trainer import Trainer

T = TypeVar("T")

GROWTH = 16
"""How many times as many epochs as before run at once, at most."""
AT_ONCE = 1024
"""How many epochs run at once, at most."""
SECONDS = 0.05
"""For how long they may: Ctrl-C forgets the epochs that it stops."""


@contextmanager
def interruptible(comm: Communicator, checkpoint: Checkpoint | None) -> Iterator[None]:
    """Let Ctrl-C, inside the block, end the training on all ranks at the same step.

    With a checkpoint SIGTERM and SIGHUP do so, too, and end the process that has written it.
    """
    if checkpoint is None:
        signals = _signals.keeping_dropped()
    else:
        signals = _signals.as_ctrl_c_then_end() if comm.is_root else _signals.as_ctrl_c()
    with signals, comm.interruptible():
        yield


def train(loop: "Loop", run: Callable[[], T]) -> T | None:
    """Return ``run()``, which has the loop run epochs, or None if Ctrl-C ends it.

    Then the last complete epoch is kept. To be called inside `interruptible`.
    """
    try:
        try:
            loop.begin()
            return _run(loop, run)
        finally:
            loop.lock.release()
    finally:
        loop.lock.release()  # again: Ctrl-C may have cut it short


def _run(loop: "Loop", run: Callable[[], T]) -> T | None:
    try:
        # a call, not a loop: in CPython 3.11 and 3.12 a Ctrl-C that arrives as a loop
        # written right here jumps back is not caught by this try
        found = run()
        loop.finish()
    except KeyboardInterrupt:
        loop.interrupt()
        return None
    return found


class Watch(NamedTuple):
    """What looks at each epoch."""

    score: Callable[[Params], float] | None = None
    """gives the validation score"""
    callbacks: Sequence[Callback] = ()
    bar: Any = None
    """a tqdm, the progress bar"""


class Loop:
    """The course of one training.

    Parameters
    ----------
    trainer : Trainer
    carry : tuple of array
        θ and the state of the optimiser, where to start.
    shuffle : Shuffle
    stopping : Stopping
    watch : Watch
    checkpoint : Checkpoint, optional
        Nobody else may write its file from `begin` on, as long as `lock` is held.
    given : bool
        Whether the caller gave the parameters to start from: then those of the checkpoint must
        have been started from the same.

    Attributes
    ----------
    lock : Lock
        `begin` takes it if there is a checkpoint; `train` releases it.
    adaptive : AdaptiveRate or None
        Lowered when ``stopping`` says stop, which then counts anew.
    history : History
    identity : Identity
        Of a training with a checkpoint, from `begin` on.
    done : Done
        What the last complete epoch left. It is replaced as one, after the history has
        been written, because Ctrl-C may come between any two lines.
    best : Done
        The same of the best epoch, by the score or cost that ``stopping`` watches.
    """

    identity: Identity

    def __init__(
        self,
        trainer: Trainer,
        carry: Carry,
        shuffle: Shuffle,
        stopping: Stopping,
        watch: Watch,
        *,
        checkpoint: Checkpoint | None = None,
        given: bool = False,
    ) -> None:
        self.trainer, self.shuffle, self.stopping = trainer, shuffle, stopping
        self.comm = trainer.comm
        self.score, callbacks, self.bar = watch
        # a bound method would make a cycle, which keeps alive a bar that Ctrl-C has left open
        shown = [partial(_show, self.bar)] if self.bar is not None else []
        callbacks = callbacks_on_root(self.comm, [*shown, *callbacks])
        self.callbacks, self.checkpoint, self.given = callbacks, checkpoint, given
        rate = trainer.optimizer.learning_rate
        self.adaptive = rate if isinstance(rate, AdaptiveRate) else None
        self.lock = Lock()
        self.history = History()
        self.done = self.best = Done(carry, 0, shuffle.state)
        self.judged = 0
        self.watched = bool(self.score or callbacks or self.adaptive)

    def begin(self) -> None:
        """Begin, at the checkpoint if one is to be gone on from."""
        if self.comm.size > 1:
            self._begin_together(self.comm)
        elif self.checkpoint is not None:
            self._begin_at(self.checkpoint)
        if self.bar is not None:
            with self.comm.defer_errors():
                self.bar.update(self.done.epochs)

    @property
    def theta(self) -> Array:
        """θ after the last complete epoch."""
        return self.done.carry[0]

    def run(self, epochs: int) -> None:
        """Train until so many epochs are complete, or a callback or ``stopping`` ends it.

        If nothing looks at each epoch, some run at once.
        """
        if self.done.epochs > epochs:
            raise ArgumentError(
                f"checkpoint: its training has {self.done.epochs} epochs behind it, more than the "
                f"{epochs} asked for; ask for more, or remove the file to start anew."
            )
        at_once = 1
        while self.done.epochs < epochs and self.history.stopped == "epochs":
            if self.watched:
                self._advance(1)
                self._look()
            else:
                count = min(at_once, epochs - self.done.epochs)
                if self.checkpoint is not None:
                    count = min(count, self.checkpoint.epochs_until(self.done.epochs))
                at_once = grown(at_once, self._advance_and_judge(count))
            self.judged = self.done.epochs
            if self.checkpoint is not None and self.checkpoint.is_due(self.judged):
                with self.comm.defer_errors():
                    self._write(self.checkpoint)
            self.comm.stop_if_interrupted()

    def finish(self) -> None:
        """Write a last checkpoint, unless it has just been written."""
        if self.checkpoint is not None and not self.checkpoint.is_due(self.done.epochs):
            with self.comm.defer_errors():
                self._write(self.checkpoint)
        self.comm.finish()

    def interrupt(self) -> None:
        """Keep what the last complete epoch had, after Ctrl-C."""
        self.history.stopped = "interrupted"
        self.history.truncate(self.done.epochs)
        with self.comm.on_all():
            if self.checkpoint is not None and self.judged == self.done.epochs:
                self._write(self.checkpoint)

    # ---- the state, and the checkpoint ----------------------------------------

    @property
    def state(self) -> TrainingState:
        """The state after the last complete epoch."""
        to_numpy = self.trainer.backend.to_numpy
        (carry, epochs, drawn), best, stopping = self.done, self.best, self.stopping
        wanted = self.score is not None and stopping.wanted and best.carry is not carry
        return TrainingState(
            tuple(map(to_numpy, carry)),
            epochs,
            drawn,
            tuple(map(to_numpy, best.carry)) if wanted else None,
            best.epochs,
            {name: getattr(self.history, name) for name in SERIES},
            self.history.stopped == "tol",
            stopping.best,
            stopping.without_improvement,
            None if self.adaptive is None else self.adaptive.alpha,
        )

    def restore(self, state: TrainingState) -> None:
        """Put the training into a state."""
        backend, stopping = self.trainer.backend, self.stopping

        def moved(carry: tuple[Any, ...]) -> Carry:
            return tuple(backend.asarray(a, backend.dtype) for a in carry)

        self.shuffle.state = state.drawn
        self.done = self.best = Done(moved(state.carry), state.epochs, self.shuffle.state)
        self.judged = state.epochs
        if state.best is not None:
            self.best = Done(moved(state.best), state.best_epochs, self.shuffle.state)
        for name, values in state.series.items():
            setattr(self.history, name, list(values))
        self.history.stopped = "tol" if state.stopped else "epochs"
        stopping.best, stopping.without_improvement = state.best_value, state.without_improvement
        if self.adaptive is not None and state.rate is not None:
            self.adaptive.alpha = state.rate

    def _begin_at(self, checkpoint: Checkpoint) -> None:
        """Go on from the checkpoint if that is wanted, and keep others from its file."""
        start, trainer = self.state, self.trainer
        self.identity = Identity(
            settings(trainer, self.shuffle, self.stopping, validation=self.score is not None),
            origin(trainer, start.carry[0] if self.given else None),
            trainer.sample,
        )
        checkpoint.begin(self.lock, start, self.identity, self.restore)

    def _write(self, checkpoint: Checkpoint) -> None:
        checkpoint.write(self.state, self.identity)

    def _begin_together(self, comm: Communicator) -> None:
        """Begin as rank 0 does, which reads and writes the checkpoint."""
        if self.checkpoint is not None:
            self.trainer.sample  # noqa: B018  gathered from all now, written by rank 0 later
        if not comm.is_root:
            self.checkpoint = None
        state = None
        with comm.on_all():
            if self.checkpoint is not None:
                self._begin_at(self.checkpoint)
            if comm.is_root:
                state = self.state
        state = comm.broadcast(state)
        with comm.defer_errors():
            if not comm.is_root:
                self.restore(state)

    # ---- epochs ---------------------------------------------------------------

    def _advance(self, count: int) -> float:
        """Run ``count`` epochs and write them down; return the seconds that one took."""
        carry, epoch, _ = self.done
        began = perf_counter()
        rates = self.trainer.optimizer.rates(epoch, count)
        orders = [self.shuffle.draw() for _ in range(count)]
        carry, costs = self.trainer.run(carry, epoch, rates, orders)
        seconds = (perf_counter() - began) / count
        history = self.history
        history.cost += costs
        history.learning_rate += rates
        history.seconds += [seconds] * count
        if self.score is not None:
            history.validation.append(self.score(self.trainer.params(carry)))
        self.done = Done(carry, epoch + count, self.shuffle.state)
        return seconds

    def _advance_and_judge(self, count: int) -> float:
        """Run ``count`` epochs, or fewer if the cost says stop; return the seconds of one."""
        before = self.done
        try:
            seconds = self._advance(count)
        except DivergenceError:
            if count == 1 or not self.stopping.wanted:
                raise
            return self._replay_after_divergence(before)
        if self.stopping.wanted:
            self._judge(before)
        return seconds

    def _judge(self, before: Done) -> None:
        """Judge the epochs since ``before`` by their costs, until one says stop."""
        for epochs, cost in enumerate(self.history.cost[before.epochs :], 1):
            self.stopping.is_best(cost)
            if self.stopping.now:
                if before.epochs + epochs < self.done.epochs:
                    self._replay_after_stopping(before, epochs)
                self.history.stopped = "tol"
                break

    def _replay_after_divergence(self, before: Done) -> float:
        """Run the first of several epochs again, alone: the cost may say stop before they diverge.

        Return the seconds that it took.
        """
        self.shuffle.state = before.drawn
        return self._advance_and_judge(1)

    def _replay_after_stopping(self, before: Done, epochs: int) -> None:
        """Go back to ``before``, and run again only the epochs up to the one that says stop."""
        self.history.truncate(before.epochs)
        self.done, self.shuffle.state = before, before.drawn
        self._advance(epochs)

    def _look(self) -> None:
        """Judge the epoch that has just been completed, and tell of it."""
        carry, epoch, _ = self.done
        history = self.history
        score = history.validation[-1] if history.validation else None
        if self.stopping.is_best(history.cost[-1] if score is None else score):
            self.best = self.done
        if not self.stopping.now:
            self.judged = epoch  # so that Ctrl-C in a callback does not leave this epoch out
        report = Report(
            epoch,
            history.cost[-1],
            score,
            history.learning_rate[-1],
            history.seconds[-1],
            carry[0],
            self.trainer.net.sizes,
            self.trainer.backend,
        )
        answers = [callback(report) for callback in self.callbacks]
        if any(answer is True for answer in answers):
            history.stopped = "callback"
        elif self.stopping.now:
            if self.adaptive is not None and self.adaptive.lower():
                self.stopping.without_improvement = 0
            else:
                history.stopped = "tol"


def grown(at_once: int, seconds: float) -> int:
    """Return how many epochs of so many seconds run at once after ``at_once`` have."""
    return min(GROWTH * at_once, AT_ONCE, max(1, int(SECONDS / max(seconds, 1e-9))))


def _show(bar: Any, report: Report) -> None:
    """Show an epoch in the progress bar."""
    bar.set_postfix_str(f"cost={report.cost:.4g}", refresh=False)
    bar.update()
