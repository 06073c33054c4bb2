"""Reading ahead: the next item is made in a thread while the last one is used."""

import queue
import threading
from collections.abc import Iterator
from typing import Final, TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LOOKS = 0.1  # after which a thread that waits notices that it should stop


class _End:
    """Marks the end of the items."""


END: Final = _End()


def ahead(items: Iterator[T], *, until_taken: bool = False) -> Iterator[T]:
    """Yield the same items, and make the next one while the last is used.

    Args:
        items: are made in a thread of their own, which ends with this generator.
        until_taken: make the next item only after the last one was taken.

    Raises: any error of `items`, after the items before it.
    """
    waiting: queue.Queue[tuple[T | _End, BaseException | None]] = queue.Queue(maxsize=1)
    taken, stop = threading.Semaphore(0), threading.Event()

    def offer(item: T | _End, error: BaseException | None) -> None:
        while not stop.is_set():
            try:
                waiting.put((item, error), timeout=SECONDS_BETWEEN_LOOKS)
                break
            except queue.Full:
                continue
        while until_taken and not stop.is_set() and not taken.acquire(timeout=SECONDS_BETWEEN_LOOKS):
            pass

    def work() -> None:
        try:
            for item in items:
                offer(item, None)
                if stop.is_set():
                    return
            offer(END, None)
        except BaseException as error:  # raised again by the generator
            offer(END, error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            taken.release()
            if error is not None:
                raise error
            if isinstance(item, _End):
                return
            yield item
    finally:
        stop.set()
        thread.join()
