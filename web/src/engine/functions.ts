/** Functions of one number that ONNX operators need and JavaScript lacks, exact to 1e-8. */

const STEPS = 64; // of the table of erf, per unit
const END = 6; // erf(6) is 1 to the last digit of a double
let table: Float64Array | null = null;

/** Return the error function of x, exact to 1e-9: cubic interpolation of a table of values, with exact slopes. */
export function erf(x: number): number {
  const far = Math.abs(x);
  if (!(far < END)) return Number.isNaN(x) ? NaN : Math.sign(x);
  table ??= Float64Array.from({ length: END * STEPS + 1 }, (_, at) => series(at / STEPS));
  const at = Math.floor(far * STEPS);
  const left = at / STEPS;
  const right = (at + 1) / STEPS;
  const share = (far - left) * STEPS;
  const rest = 1 - share;
  const value =
    table[at] * (1 + 2 * share) * rest * rest +
    table[at + 1] * (1 + 2 * rest) * share * share +
    ((slope(left) * rest - slope(right) * share) * share * rest) / STEPS;
  return x < 0 ? -value : value;
}

function slope(x: number): number {
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
}

/** Return erf(x) by its series of positive terms, 2x/sqrt(pi) exp(-x^2) (1 + 2x^2/3 + (2x^2)^2/15 + ...). */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let at = 1; term > 1e-17 * sum; at++) {
    term *= (2 * x * x) / (2 * at + 1);
    sum += term;
  }
  return slope(x) * sum;
}

/** Return 1 / (1 + exp(-x)). */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Return log(1 + exp(x)) without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** Return x P(Z <= x) of a standard normal Z. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** Return the approximation of `gelu` by tanh. */
export function geluByTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}
