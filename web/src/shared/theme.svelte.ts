/** Light or dark colours: those of the system, or those that the reader chose. */

import { flushSync } from "svelte";

export type Choice = "system" | "light" | "dark";

const KEY = "diabolo-colours";

class Theme {
  /** What the reader chose. */
  choice = $state<Choice>("system");
  private system = $state(false);
  /** Whether the page is being printed: paper is white. */
  private printing = $state(false);

  constructor() {
    if (typeof matchMedia !== "function") return;
    const query = matchMedia("(prefers-color-scheme: dark)");
    this.system = query.matches;
    query.addEventListener("change", () => (this.system = query.matches));
    addEventListener("beforeprint", () => flushSync(() => (this.printing = true)));
    addEventListener("afterprint", () => (this.printing = false));
    const kept = read();
    if (kept) this.choice = kept;
  }

  /** Whether colours are dark now. */
  get dark(): boolean {
    if (this.printing) return false;
    return this.choice === "system" ? this.system : this.choice === "dark";
  }

  /** Apply a choice, and keep it for the next page if the browser allows it. */
  choose(choice: Choice): void {
    this.choice = choice;
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // A page without storage starts with the colours of the system.
    }
  }
}

function read(): Choice | null {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : null;
  } catch {
    return null;
  }
}

/** The colours of the page. */
export const theme = new Theme();
