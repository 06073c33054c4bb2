/** Runs jobs that come faster than they are done: one job runs, and only the newest of the others waits. */
export class Latest {
  private running = false;
  private waiting: (() => Promise<void>) | null = null;

  /** Run a job now, or after the current one; a newer job replaces one that waits. */
  run(job: () => Promise<void>): void {
    this.waiting = job;
    if (!this.running) void this.work();
  }

  /** Drop the job that waits. */
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
