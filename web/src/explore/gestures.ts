/**
 * Turns pointer, wheel and key events on the map into actions.
 *
 * One pointer drags, pans or draws a lasso, by the mode; the middle button, or the space bar held down, always pans.
 * Two fingers pan and zoom. A pointer that goes down and up without moving clicks.
 */

import { panBy, toMap, zoomAt, type Camera, type Size } from "./camera";
import type { Mode } from "../shared/state.svelte";

/** How a lasso changes the selection. */
export type Way = "new" | "add" | "remove";

/** The actions of the map. Pixels are CSS pixels from the upper left corner of the map. */
export interface Actions {
  mode(): Mode;
  camera(): Camera;
  size(): Size;
  moveCamera(camera: Camera): void;
  /** The pointer is down at a place of the map. */
  drag(x: number, y: number): void;
  click(px: number, py: number): void;
  /** Null: the pointer left. */
  hover(at: [number, number] | null): void;
  /** The outline of a lasso in pixels while it is drawn; null: it was cancelled or has ended. */
  outline(points: [number, number][] | null): void;
  lasso(points: [number, number][], way: Way): void;
}

type Doing = "drag" | "pan" | "lasso" | "rectangle" | "pinch";

/** Pixels that a pointer may move in a click. */
const TREMBLE = 4;

/** Listens on an element until it is closed. */
export class Gestures {
  private readonly events = new AbortController();
  private readonly pointers = new Map<number, [number, number]>();
  private doing: Doing | null = null;
  private start: [number, number] = [0, 0];
  private moved = false;
  private points: [number, number][] = [];
  private space = false;
  private box: DOMRect;

  constructor(
    private readonly host: HTMLElement,
    private readonly actions: Actions,
  ) {
    this.box = host.getBoundingClientRect();
    const { signal } = this.events;
    host.addEventListener("pointerdown", (event) => this.down(event), { signal });
    host.addEventListener("pointermove", (event) => this.move(event), { signal });
    host.addEventListener("pointerup", (event) => this.up(event, true), { signal });
    host.addEventListener("pointercancel", (event) => this.up(event, false), { signal });
    host.addEventListener("pointerleave", () => this.doing ?? actions.hover(null), { signal });
    host.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    host.addEventListener("keydown", (event) => (this.space ||= event.code === "Space"), { signal });
    host.addEventListener("keyup", (event) => (this.space &&= event.code !== "Space"), { signal });
    host.addEventListener("blur", () => (this.space = false), { signal });
  }

  /** Whether the space bar is held down, so that the pointer pans. */
  get panning(): boolean {
    return this.space || this.doing === "pan";
  }

  /** Stop listening. */
  close(): void {
    this.events.abort();
  }

  private at(event: PointerEvent | WheelEvent): [number, number] {
    return [event.clientX - this.box.left, event.clientY - this.box.top];
  }

  private down(event: PointerEvent): void {
    if (event.button > 1) return;
    event.preventDefault(); // no text selection, no scrolling by the middle button
    this.host.focus({ preventScroll: true });
    this.host.setPointerCapture(event.pointerId);
    this.box = this.host.getBoundingClientRect();
    const at = this.at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      if (this.doing === "lasso" || this.doing === "rectangle") this.actions.outline(null);
      this.doing = "pinch";
      return;
    }
    this.start = at;
    this.moved = false;
    this.actions.hover(null);
    const mode = this.actions.mode();
    if (event.button === 1 || this.space || mode === "pan") this.doing = "pan";
    else if (mode === "lasso") this.doing = event.shiftKey ? "rectangle" : "lasso";
    else this.doing = "drag";
    this.points = [at];
    if (this.doing === "drag") this.drag(at);
  }

  private move(event: PointerEvent): void {
    if (!this.doing) this.box = this.host.getBoundingClientRect();
    const at = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (!this.doing || !before) {
      if (event.pointerType !== "touch") this.actions.hover(at);
      return;
    }
    if (this.doing === "pinch") this.pinch(event.pointerId, at);
    this.pointers.set(event.pointerId, at);
    if (this.doing === "pinch") return;
    this.moved ||= Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > TREMBLE;
    if (this.doing === "drag") this.drag(at);
    else if (this.doing === "pan") {
      const camera = panBy(this.actions.camera(), this.actions.size(), at[0] - before[0], at[1] - before[1]);
      this.actions.moveCamera(camera);
    } else if (this.doing === "rectangle") {
      this.points = rectangle(this.start, at);
      this.actions.outline(this.points);
    } else {
      this.points.push(at);
      this.actions.outline(this.points);
    }
  }

  private up(event: PointerEvent, done: boolean): void {
    if (!this.pointers.delete(event.pointerId)) return;
    const { doing } = this;
    if (doing === "pinch" && this.pointers.size > 0) return;
    this.doing = null;
    if (!done) {
      this.actions.outline(null);
      return;
    }
    if (doing === "lasso" || doing === "rectangle") {
      this.actions.outline(null);
      if (this.moved && this.points.length > 2) this.actions.lasso(this.points, wayOf(event));
    }
    if (!this.moved && doing && doing !== "pinch" && event.button === 0) this.actions.click(...this.at(event));
  }

  private drag(at: [number, number]): void {
    this.actions.drag(...toMap(this.actions.camera(), this.actions.size(), ...at));
  }

  /** Two fingers: their middle moves the map, their distance zooms. */
  private pinch(id: number, at: [number, number]): void {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    const before = this.pointers.get(id);
    if (!other || !before) return;
    const far = (a: [number, number]) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
    const size = this.actions.size();
    const moved = panBy(this.actions.camera(), size, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    const [x, y] = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.actions.moveCamera(zoomAt(moved, size, x, y, far(at) / far(before)));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.box = this.host.getBoundingClientRect();
    // Some mice report lines or pages; browsers scroll by about 16 and 400 pixels for them.
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    const factor = Math.exp(-Math.max(-200, Math.min(200, pixels)) / 300);
    this.actions.moveCamera(zoomAt(this.actions.camera(), this.actions.size(), ...this.at(event), factor));
  }
}

/** Return the corners of a rectangle from two opposite corners. */
export function rectangle(a: [number, number], b: [number, number]): [number, number][] {
  return [a, [b[0], a[1]], b, [a[0], b[1]]];
}

function wayOf(event: PointerEvent): Way {
  if (event.altKey) return "remove";
  return event.ctrlKey || event.metaKey ? "add" : "new";
}
