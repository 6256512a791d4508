"""`Loop`: epoch after epoch, until something says stop."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, Self

from .. import _signals
from .._backends.base import Carry
from .._typing import Array
from ..core.parameters import Params
from ..distributed.agreement import callbacks_on_root
from ..distributed.processes import Communicator
from ..exceptions import ArgumentError, DivergenceError
from ..files.lock import Lock
from .batches import Shuffle
from .checkpoint import Checkpoint, restore, state
from .history import Callback, History, Report
from .stopping import AdaptiveRate, Stopping
from .trainer import Trainer

GROWTH = 16
"""How many times as many epochs as before run at once, at most."""


@contextmanager
def interruptible(comm: Communicator, checkpoint: Checkpoint | None) -> Iterator[Lock]:
    """Let Ctrl-C end a training in the block, on all ranks at the same step.

    With a checkpoint SIGTERM and SIGHUP end it likewise, and then the process that has written
    the checkpoint. Yields the lock for the checkpoint, which `Loop` takes and releases.
    """
    lock = Lock()
    signals: AbstractContextManager[None] = nullcontext()
    if checkpoint is not None:
        signals = _signals.ending() if comm.is_root else _signals.interrupting()
    with signals, comm.interruptible():
        try:
            yield lock
        finally:
            lock.release()  # again: Ctrl-C may have cut it short


class Done(NamedTuple):
    """What complete epochs have left."""

    carry: Carry
    """θ and the state of the optimiser"""
    epochs: int
    """how many there were"""
    drawn: tuple[Any, Any]
    """the state of the `Shuffle`"""


class Loop:
    """The course of one training.

    Parameters
    ----------
    trainer : Trainer
    carry : tuple of array
        θ and the state of the optimiser, where to start.
    shuffle : Shuffle
    stopping : Stopping
    lock : Lock
        The one of `interruptible`.
    score : callable (params) -> float, optional
        The validation score, taken after each epoch.
    callbacks : sequence of callable
    bar : tqdm, optional
        The progress bar.
    adaptive : AdaptiveRate, optional
        Lowered when ``stopping`` says stop, which then counts anew.
    checkpoint : Checkpoint, optional
        Nobody else may write its file from ``with loop:`` on until the end of that block.
    given : bool
        Whether the caller gave the parameters to start from: then those of the checkpoint must
        have been started from the same.

    Attributes
    ----------
    origin : dict
        What a checkpoint tells of the start and of functions of the user's own.
    history : History
    done : Done
        What the last complete epoch left. It is replaced as one, after the history has
        been written, because Ctrl-C may come between any two lines.
    best : Done
        The same of the best epoch, by the score or cost that ``stopping`` watches.
    """

    def __init__(
        self,
        trainer: Trainer,
        carry: Carry,
        shuffle: Shuffle,
        stopping: Stopping,
        lock: Lock,
        *,
        score: Callable[[Params], float] | None = None,
        callbacks: Sequence[Callback] = (),
        bar: Any = None,
        adaptive: AdaptiveRate | None = None,
        checkpoint: Checkpoint | None = None,
        given: bool = False,
    ) -> None:
        self.trainer, self.shuffle, self.stopping, self.lock = trainer, shuffle, stopping, lock
        self.comm = trainer.comm
        # a bound method would make a cycle, which keeps alive a bar that Ctrl-C has left open
        shown = [partial(_show, bar)] if bar is not None else []
        callbacks = callbacks_on_root(self.comm, [*shown, *callbacks])
        self.score, self.callbacks, self.bar = score, callbacks, bar
        self.adaptive, self.checkpoint, self.given = adaptive, checkpoint, given
        self.origin: dict[str, Any] = {}
        self.history = History()
        self.done = self.best = Done(carry, 0, shuffle.state)
        self.judged = 0
        self.watched = bool(score or callbacks or adaptive)

    def __enter__(self) -> Self:
        """Begin, at the checkpoint if one is to be gone on from."""
        try:
            if self.comm.size > 1:
                self._begin_together(self.comm)
            elif self.checkpoint is not None:
                self.checkpoint.begin(self)
            if self.bar is not None:
                with self.comm.defer_errors():
                    self.bar.update(self.done.epochs)
            return self  # in here, too, a Ctrl-C that comes before it is caught
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc_info: object) -> None:
        """Leave the checkpoint to others."""
        self.lock.release()

    @property
    def theta(self) -> Array:
        """θ after the last complete epoch."""
        return self.done.carry[0]

    def run(self, epochs: int) -> None:
        """Train until so many epochs are complete, or a callback or ``stopping`` ends it.

        If nothing looks at each epoch, some run at once: as many as take 50 ms, since Ctrl-C
        forgets those it stops.
        """
        if self.done.epochs > epochs:
            raise ArgumentError(
                f"checkpoint: its training has {self.done.epochs} epochs behind it, more than the "
                f"{epochs} asked for; ask for more, or remove the file to start anew."
            )
        at_once = 1
        while self.done.epochs < epochs and self.history.stopped == "epochs":
            count = min(at_once, epochs - self.done.epochs)
            if self.checkpoint is not None:
                count = min(count, self.checkpoint.epochs_until(self.done.epochs))
            if self.watched:
                self._advance(1)
                self._look()
            else:
                seconds = self._advance_and_judge(count)
                at_once = min(GROWTH * at_once, 1024, max(1, int(0.05 / max(seconds, 1e-9))))
            self.judged = self.done.epochs
            if self.checkpoint is not None and self.checkpoint.is_due(self.judged):
                with self.comm.defer_errors():
                    self.checkpoint.write(self)
            self.comm.stop_if_interrupted()

    def finish(self) -> None:
        """Write a last checkpoint, unless it has just been written."""
        due = self.checkpoint is not None and self.checkpoint.is_due(self.done.epochs)
        if self.checkpoint is not None and not due:
            with self.comm.defer_errors():
                self.checkpoint.write(self)
        self.comm.finish()

    def interrupt(self) -> None:
        """Keep what the last complete epoch had, after Ctrl-C."""
        self.history.stopped = "interrupted"
        self.history.truncate(self.done.epochs)
        with self.comm.on_all():
            if self.checkpoint is not None and self.judged == self.done.epochs:
                self.checkpoint.write(self)

    def _begin_together(self, comm: Communicator) -> None:
        """Begin as rank 0 does, which reads and writes the checkpoint."""
        if self.checkpoint is not None:
            self.trainer.sample  # noqa: B018  gathered from all now, written by rank 0 later
        if not comm.is_root:
            self.checkpoint = None
        found = None
        with comm.on_all():
            if self.checkpoint is not None:
                self.checkpoint.begin(self)
            if comm.is_root:
                found = state(self)
        found = comm.broadcast(found)
        with comm.defer_errors():
            if not comm.is_root:
                restore(self, *found)

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
        """Run ``count`` epochs; if the cost says stop after fewer, run just those."""
        before = self.done
        try:
            seconds = self._advance(count)
        except DivergenceError:
            if count == 1 or not self.stopping.wanted:
                raise
            self.shuffle.state = before.drawn
            return self._advance_and_judge(1)  # it may be told to stop before
        if self.stopping.wanted:
            for i, cost in enumerate(self.history.cost[before.epochs :], 1):
                self.stopping.is_best(cost)
                if not self.stopping.now:
                    continue
                if i < count:
                    self.history.truncate(before.epochs)
                    self.done, self.shuffle.state = before, before.drawn
                    self._advance(i)
                self.history.stopped = "tol"
                break
        return seconds

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


def _show(bar: Any, report: Report) -> None:
    """Show an epoch in the progress bar."""
    bar.set_postfix_str(f"cost={report.cost:.4g}", refresh=False)
    bar.update()
