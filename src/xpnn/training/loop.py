"""`Loop`: epoch after epoch, until something says stop."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from ..backends.base import Carry
from ..core.parameters import Params
from .history import Callback, History, Report
from .stopping import Stopping
from .trainer import Trainer


class Loop:
    """The course of one training.

    Parameters
    ----------
    trainer : Trainer
    params : tuple of Layer
        Where to start.
    validation : tuple (X, Y) or None
        Checked, on the backend.
    stopping : Stopping
    callbacks : sequence of callable
    bar : tqdm
        The progress bar.

    Attributes
    ----------
    history : History
    done : tuple (carry, epochs)
        What the last complete epoch left. It is replaced as one, after the history has
        been written, because Ctrl-C may come between any two lines.
    best : tuple (carry, epochs)
        The same of the best epoch, by the score or cost that ``stopping`` watches.
    """

    def __init__(
        self,
        trainer: Trainer,
        params: Params,
        validation: tuple[Any, Any] | None,
        stopping: Stopping,
        callbacks: Sequence[Callback],
        bar: Any,
    ) -> None:
        self.trainer, self.validation, self.stopping = trainer, validation, stopping
        self.callbacks, self.bar = callbacks, bar
        self.history = History()
        self.done: tuple[Carry, int] = trainer.start(params), 0
        self.best = self.done
        self.watched = bool(validation or callbacks or stopping.wanted or not bar.disable)

    def run(self, epochs: int, rng: Any) -> None:
        """Train for so many epochs, or until a callback or ``stopping`` ends it."""
        at_once = 1
        while self.done[1] < epochs and self.history.stopped == "epochs":
            seconds = self._advance(min(at_once, epochs - self.done[1]), rng)
            if self.watched:
                self._look()
            elif self.trainer.plan.full:
                # single steps: as many as take 50 ms, since Ctrl-C forgets those it stops
                at_once = min(2 * at_once, 64, max(1, int(0.05 / max(seconds, 1e-9))))

    def _advance(self, count: int, rng: Any) -> float:
        """Run ``count`` epochs and write them down; return the seconds that one took."""
        carry, epoch = self.done
        began = perf_counter()
        rates = [self.trainer.optimizer.rate(epoch + i) for i in range(count)]
        carry, costs = self.trainer.run(carry, epoch, rates, rng)
        seconds = (perf_counter() - began) / count
        history = self.history
        history.cost += costs
        history.learning_rate += rates
        history.seconds += [seconds] * count
        if self.validation is not None:
            params = self.trainer.params(carry)
            history.validation.append(self.trainer.net.score(params, *self.validation))
        self.done = carry, epoch + count
        return seconds

    def _look(self) -> None:
        """Show, tell and judge the epoch that has just been completed."""
        carry, epoch = self.done
        history = self.history
        score = history.validation[-1] if history.validation else None
        self.bar.set_postfix_str(f"cost={history.cost[-1]:.4g}", refresh=False)
        self.bar.update()
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
        if self.stopping.is_best(history.cost[-1] if score is None else score):
            self.best = self.done
        if self.stopping.now:
            history.stopped = "tol"
        answers = [callback(report) for callback in self.callbacks]
        if any(answer is True for answer in answers):
            history.stopped = "callback"
