/** Which points lie inside a lasso. */

const STRIPS = 256;

/**
 * Return the points inside a polygon, in increasing order.
 *
 * `points`: (count, 2), x and y in turn; `polygon`: its corners, x and y in turn, closed automatically. If it
 * crosses itself, a place is inside if a line from it to the outside crosses an odd number of edges.
 */
export function pointsInside(points: Float32Array, polygon: ArrayLike<number>): Uint32Array {
  const corners = Math.floor(polygon.length / 2);
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < corners; at++) {
    left = Math.min(left, polygon[2 * at]);
    right = Math.max(right, polygon[2 * at]);
    top = Math.min(top, polygon[2 * at + 1]);
    bottom = Math.max(bottom, polygon[2 * at + 1]);
  }
  const count = points.length / 2;
  const found = new Uint32Array(count);
  let inside = 0;
  if (corners < 3 || !(bottom > top)) return found.subarray(0, 0);
  // Only edges that reach into the strip of a point can cross the line from this point.
  const strips = edgesByStrip(polygon, corners, top, bottom);
  const factor = STRIPS / (bottom - top);
  for (let row = 0; row < count; row++) {
    const x = points[2 * row];
    const y = points[2 * row + 1];
    if (!(x >= left && x <= right && y >= top && y <= bottom)) continue;
    const edges = strips[Math.min(STRIPS - 1, Math.floor((y - top) * factor))];
    let odd = false;
    for (let at = 0; at < edges.length; at += 4) {
      const fromY = edges[at + 1];
      const toY = edges[at + 3];
      if (fromY > y === toY > y) continue;
      if (x < edges[at] + ((edges[at + 2] - edges[at]) * (y - fromY)) / (toY - fromY)) odd = !odd;
    }
    if (odd) found[inside++] = row;
  }
  return found.slice(0, inside);
}

/** Return the edges (x, y, x, y) that reach into each strip of the polygon's height. */
function edgesByStrip(polygon: ArrayLike<number>, corners: number, top: number, bottom: number): Float64Array[] {
  const strips: number[][] = Array.from({ length: STRIPS }, () => []);
  const strip = (y: number) => Math.min(STRIPS - 1, Math.floor(((y - top) * STRIPS) / (bottom - top)));
  for (let at = 0; at < corners; at++) {
    const next = (at + 1) % corners;
    const edge = [polygon[2 * at], polygon[2 * at + 1], polygon[2 * next], polygon[2 * next + 1]];
    const [first, last] = [strip(Math.min(edge[1], edge[3])), strip(Math.max(edge[1], edge[3]))];
    // One more strip on each side: by rounding, a point on a border may belong to either strip.
    for (let place = Math.max(0, first - 1); place <= Math.min(STRIPS - 1, last + 1); place++) {
      strips[place].push(...edge);
    }
  }
  return strips.map((edges) => Float64Array.from(edges));
}
