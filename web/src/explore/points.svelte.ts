/** The points of the map: their places, colours, and which of them are shown. */

import type { Engine } from "../engine/types";
import type { ColourKey, PageState } from "../shared/state.svelte";
import { counted, type Bits } from "./bits";
import { colouringOf, hideLevels, paintColours, wordsOf, type Colouring } from "./colouring";

/** Places and colours of all rows, kept up to date with the choices of the reader. */
export class Points {
  /** (count, 2), in [0, 1]; null: not read yet, or there is no map. */
  coordinates = $state.raw<Float32Array | null>(null);
  colouring = $state.raw<Colouring | null>(null);
  /** (count,), 1 for each row that is shown. */
  visible = $state.raw<Bits>(counted(new Uint8Array(0)));
  /** (count, 4), RGBA. Replaced when the colours change. */
  colours = $state.raw<Uint8Array>(new Uint8Array(0));
  failure = $state("");

  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a cache that no component depends on
  private readonly known = new Map<ColourKey, Promise<Colouring>>();
  private readonly labels: ColourKey[];
  private turn = 0;

  constructor(
    readonly engine: Engine,
    readonly state: PageState,
  ) {
    this.visible = counted(new Uint8Array(engine.count).fill(1));
    this.labels = engine.header.columns
      .map((column, at) => ({ role: column.role, key: `column:${at}` as const }))
      .filter(({ role }) => role === "label")
      .map(({ key }) => key);
  }

  /** Read the places of a map. */
  async readMap(at: number): Promise<void> {
    if (!this.engine.header.maps[at]) return;
    try {
      const coordinates = await this.engine.map(at);
      if (this.state.map === at) this.coordinates = coordinates;
    } catch (error) {
      this.failure = messageOf(error);
    }
  }

  /** Set which rows are shown, and their colours. */
  async readColours(key: ColourKey, hidden: Record<string, string[]>, only: Bits | null): Promise<void> {
    const turn = ++this.turn;
    try {
      const filters = Object.keys(hidden).filter((name) => hidden[name].length > 0) as ColourKey[];
      const [colouring, ...others] = await Promise.all([key, ...filters].map((name) => this.colouringOf(name)));
      if (turn !== this.turn) return;
      const flags = only ? only.flags.slice() : new Uint8Array(this.engine.count).fill(1);
      others.forEach((other) => hideLevels(other, hidden[other.key], flags));
      const colours = new Uint8Array(4 * flags.length);
      paintColours(colouring, flags, colours);
      this.colouring = colouring;
      this.visible = counted(flags);
      this.colours = colours;
    } catch (error) {
      this.failure = messageOf(error);
    }
  }

  /** Return the label of a row in words; the empty text if rows have no label. */
  async label(row: number): Promise<string> {
    const found = await Promise.all(this.labels.map((key) => this.colouringOf(key)));
    return found.map((colouring) => wordsOf(colouring, row)).join(", ");
  }

  /** Return the visible row nearest to a place, within `reach` of it in map coordinates; null: there is none. */
  pick(x: number, y: number, reach: number): number | null {
    const { coordinates, visible, engine } = this;
    if (!coordinates) return null;
    for (let asked = 8; ; asked *= 8) {
      const rows = engine.rowsAt(this.state.map, x, y, Math.min(asked, engine.count));
      for (const row of rows) {
        if (Math.hypot(coordinates[2 * row] - x, coordinates[2 * row + 1] - y) > reach) return null;
        if (visible.flags[row]) return row;
      }
      // The nearest rows are hidden: look further, but not through all rows at each move of the pointer.
      if (asked >= Math.min(engine.count, 4096)) return null;
    }
  }

  /** Show or hide a level of the current colour. */
  toggleLevel(name: string): void {
    const { state } = this;
    const now = state.hidden[state.colour] ?? [];
    const next = now.includes(name) ? now.filter((other) => other !== name) : [...now, name];
    state.hidden = { ...state.hidden, [state.colour]: next };
  }

  /** Hide all levels but one; if the others are hidden already, show all. */
  onlyLevel(name: string): void {
    const { state, colouring } = this;
    const others = (colouring?.levels ?? []).map((level) => level.name).filter((other) => other !== name);
    const now = state.hidden[state.colour] ?? [];
    const alone = now.length === others.length && !now.includes(name);
    state.hidden = { ...state.hidden, [state.colour]: alone ? [] : others };
  }

  /** Show all rows again. */
  showAll(): void {
    this.state.hidden = {};
    this.state.only = null;
  }

  private colouringOf(key: ColourKey): Promise<Colouring> {
    let found = this.known.get(key);
    if (!found) {
      found = colouringOf(this.engine, key);
      this.known.set(key, found);
      found.catch(() => this.known.delete(key)); // so that it is tried again
    }
    return found;
  }
}

/** Return what went wrong as a text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
