/**
 * The points of the map: up to a million, drawn with WebGL2, or on a plain canvas if WebGL2 is missing or fails.
 *
 * Both painters have the same interface. Nothing is drawn unless something changed, and at most once per frame.
 */

import { CanvasPainter } from "./scatter-canvas";
import { GlPainter } from "./scatter-gl";
import type { Changes, Painter, Scene } from "./scene";

/** Above this number of points, WebGL without a graphics card is slower than a plain canvas: four times at a million. */
const SOFTWARE = 200_000;

/** The points of a map inside an element. */
export class Scatter {
  private painter: Painter;
  private readonly scene: Scene;
  private changes: Changes = { places: true, colours: true, selected: true };
  private frame = 0;
  private closed = false;

  /** Args: host: gets the canvas as its first child; rows: about the number of points; plain: never use WebGL. */
  constructor(
    private readonly host: HTMLElement,
    rows: number,
    plain = false,
  ) {
    this.scene = {
      places: new Uint16Array(0),
      colours: new Uint8Array(0),
      selected: new Uint32Array(0),
      camera: { x: 0.5, y: 0.5, zoom: 1 },
      size: { width: 1, height: 1 },
      density: 1,
      ground: [255, 255, 255],
      ink: [0, 0, 0],
    };
    this.painter = (plain ? null : this.startGl(rows)) ?? new CanvasPainter();
    host.prepend(this.painter.canvas);
  }

  /** How the points are drawn. */
  get way(): "webgl2" | "canvas" {
    return this.painter.way;
  }

  /** Change parts of the scene, and draw it in the next frame. `colours` may be the same array with other values. */
  set(part: Partial<Scene>): void {
    if (part.places) this.changes.places = true;
    if (part.colours) this.changes.colours = true;
    if (part.selected) this.changes.selected = true;
    Object.assign(this.scene, part);
    this.ask();
  }

  /** Draw now, without waiting for the next frame. */
  drawNow(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.closed || this.scene.places.length !== (this.scene.colours.length >> 2) * 2) return;
    const changes = this.changes;
    this.changes = { places: false, colours: false, selected: false };
    this.painter.draw(this.scene, changes);
  }

  /** Remove the canvas. */
  close(): void {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    this.painter.close();
    this.painter.canvas.remove();
  }

  private ask(): void {
    if (!this.frame && !this.closed) this.frame = requestAnimationFrame(() => this.drawNow());
  }

  private startGl(rows: number): Painter | null {
    try {
      const painter = new GlPainter({
        restored: () => this.redrawAll(),
        broken: () => this.replaceByCanvas(),
      });
      if (rows <= SOFTWARE || !painter.software) return painter;
      painter.close();
      return null;
    } catch {
      return null;
    }
  }

  private redrawAll(): void {
    this.changes = { places: true, colours: true, selected: true };
    this.ask();
  }

  private replaceByCanvas(): void {
    if (this.closed) return;
    this.painter.close();
    this.painter.canvas.remove();
    this.painter = new CanvasPainter();
    this.host.prepend(this.painter.canvas);
    this.redrawAll();
  }
}

/** Return map coordinates in [0, 1] as u16. */
export function toPlaces(coordinates: Float32Array): Uint16Array {
  const places = new Uint16Array(coordinates.length);
  for (let i = 0; i < places.length; i++) places[i] = Math.min(65535, Math.max(0, coordinates[i] * 65535 + 0.5));
  return places;
}
