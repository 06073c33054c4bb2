/**
 * A set of rows of the page: one byte per row, so that a million rows are fast to look up, change and draw.
 *
 * A set never changes; the functions return new ones. In a saved page it is stored by the numbers of the rows in
 * the data, because another page may contain other rows.
 */

export interface Bits {
  /** (count,), 1 for each row in the set. */
  readonly flags: Uint8Array;
  readonly size: number;
}

/** A set as it is saved: row numbers, or one bit for each row of the data as base64, whichever is shorter. */
export type PackedBits = { numbers: number[] } | { bits: string };

/** Return the empty set. */
export function none(count: number): Bits {
  return { flags: new Uint8Array(count), size: 0 };
}

/** Return the set of these rows. */
export function bitsOf(count: number, rows: ArrayLike<number>): Bits {
  const flags = new Uint8Array(count);
  for (let i = 0; i < rows.length; i++) flags[rows[i]] = 1;
  return counted(flags);
}

/** Return the set with these flags, which must not change later. */
export function counted(flags: Uint8Array): Bits {
  let size = 0;
  for (let i = 0; i < flags.length; i++) size += flags[i];
  return { flags, size };
}

/** Return the rows of a set in increasing order. */
export function rowsOf(bits: Bits): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(bits.size);
  for (let i = 0, at = 0; i < bits.flags.length; i++) if (bits.flags[i]) rows[at++] = i;
  return rows;
}

/** Return the set with a row added, or removed if it was in the set. */
export function toggled(bits: Bits, row: number): Bits {
  const flags = bits.flags.slice();
  flags[row] = flags[row] ? 0 : 1;
  return { flags, size: bits.size + (flags[row] ? 1 : -1) };
}

/** Return the rows that are not in the set; with `within`, only rows flagged there. */
export function inverted(bits: Bits, within?: Uint8Array): Bits {
  const flags = new Uint8Array(bits.flags.length);
  for (let i = 0; i < flags.length; i++) flags[i] = bits.flags[i] || (within && !within[i]) ? 0 : 1;
  return counted(flags);
}

/** Return the rows of both sets. */
export function union(a: Bits, b: Bits): Bits {
  const flags = a.flags.slice();
  for (let i = 0; i < flags.length; i++) flags[i] |= b.flags[i];
  return counted(flags);
}

/** Return the rows of the first set that are not in the second. */
export function without(a: Bits, b: Bits): Bits {
  const flags = a.flags.slice();
  for (let i = 0; i < flags.length; i++) if (b.flags[i]) flags[i] = 0;
  return counted(flags);
}

/**
 * Return a set for saving.
 *
 * Args: number: returns the number in the data of a row of the page; total: rows in the data.
 */
export function packBits(bits: Bits, number: (row: number) => number, total: number): PackedBits {
  const numbers: number[] = [];
  for (const row of rowsOf(bits)) numbers.push(number(row));
  if (numbers.length * 6 <= total / 6) return { numbers };
  const bytes = new Uint8Array(Math.ceil(total / 8));
  for (const at of numbers) bytes[at >> 3] |= 1 << (at & 7);
  return { bits: toBase64(bytes) };
}

/** Return the rows of a saved set; rows that the page does not contain are left out. */
export function unpackBits(packed: PackedBits, number: (row: number) => number, count: number): Bits {
  const flags = new Uint8Array(count);
  if ("numbers" in packed) {
    const wanted = new Set(packed.numbers);
    for (let row = 0; row < count; row++) flags[row] = wanted.has(number(row)) ? 1 : 0;
  } else {
    const bytes = fromBase64(packed.bits);
    for (let row = 0; row < count; row++) {
      const at = number(row);
      flags[row] = ((bytes[at >> 3] ?? 0) >> (at & 7)) & 1;
    }
  }
  return counted(flags);
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  // One call with all bytes as arguments would overflow the stack.
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  const decoded = atob(text);
  const bytes = new Uint8Array(decoded.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = decoded.charCodeAt(i);
  return bytes;
}
