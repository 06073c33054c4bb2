/** Work that is asked for faster than it is done: one job runs, and of the others only the newest waits. */
export class Latest {
  private running = false;
  private waiting: (() => Promise<void>) | null = null;

  /** Do a job now, or when the present one is done; a newer job takes the place of one that waits. */
  run(job: () => Promise<void>): void {
    this.waiting = job;
    if (!this.running) void this.work();
  }

  /** Forget the job that waits. */
  clear(): void {
    this.waiting = null;
  }

  private async work(): Promise<void> {
    this.running = true;
    try {
      while (this.waiting) {
        const job = this.waiting;
        this.waiting = null;
        await job();
      }
    } finally {
      this.running = false;
    }
  }
}

/** Return a function that calls `act` once, `wait` milliseconds after it was last called. */
export function settled(act: () => void, wait: number): (() => void) & { cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
