/** Lines of many values as SVG paths. */

/** Return the smallest and the largest of the values that are not missing; [0, 1] if all are missing. */
export function rangeOf(...lists: ArrayLike<number>[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low > high ? [0, 1] : [low, high];
}

/** Return one channel of a series, whose values are in the order (time, channels). */
export function channelOf(values: ArrayLike<number>, channel: number, channels: number): Float64Array {
  const found = new Float64Array(Math.floor(values.length / channels));
  for (let i = 0; i < found.length; i++) found[i] = values[i * channels + channel];
  return found;
}

/**
 * Return the path of values in a box of `width` by `height`. Missing values leave gaps. If there are more than two
 * values per pixel, only the smallest and the largest of each pixel are drawn, so that no peak is lost.
 */
export function linePath(values: ArrayLike<number>, range: [number, number], width: number, height: number): string {
  const [low, high] = range;
  const span = high - low;
  const y = (value: number) => (span > 0 ? height - ((value - low) / span) * height : height / 2).toFixed(1);
  const length = values.length;
  const step = length > 1 ? width / (length - 1) : 0;
  const pixels = Math.max(Math.round(width), 1);
  const parts: string[] = [];
  let open = false;
  const to = (x: number, value: number) => {
    if (Number.isNaN(value)) {
      open = false;
      return;
    }
    parts.push(`${open ? "L" : "M"}${x.toFixed(1)} ${y(value)}`);
    open = true;
  };
  if (length <= pixels * 2) {
    for (let i = 0; i < length; i++) {
      to(i * step, values[i]);
      // A value between two gaps is a dot.
      if (open && Number.isNaN(values[i - 1] ?? NaN) && Number.isNaN(values[i + 1] ?? NaN)) parts.push("h0.1");
    }
    return parts.join("");
  }
  for (let pixel = 0; pixel < pixels; pixel++) {
    const from = Math.floor((pixel * length) / pixels);
    const end = Math.floor(((pixel + 1) * length) / pixels);
    let smallest = from;
    let largest = from;
    let missing = 0;
    for (let i = from; i < end; i++) {
      if (Number.isNaN(values[i])) missing++;
      if (!(values[smallest] <= values[i])) smallest = i;
      if (!(values[largest] >= values[i])) largest = i;
    }
    if (missing === end - from) {
      open = false;
      continue;
    }
    const [first, second] = smallest < largest ? [smallest, largest] : [largest, smallest];
    to(first * step, values[first]);
    if (second !== first) to(second * step, values[second]);
  }
  return parts.join("");
}
