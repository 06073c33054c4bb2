import { describe, expect, it } from "vitest";
import { bitsOf, inverted, packBits, rowsOf, toggled, union, unpackBits, without } from "../src/explore/bits";
import { Session } from "../src/explore/session.svelte";
import { PageState, type Saved } from "../src/shared/state.svelte";
import { madeEngine } from "./explore-engine";

const engine = madeEngine({
  latents: [
    [0.1, 0.1],
    [0.9, 0.1],
    [0.5, 0.9],
    [0.2, 0.2],
  ],
  numbers: [10, 7, 33, 2],
  total: 40,
});

function throughText(state: PageState): Saved {
  return JSON.parse(JSON.stringify(state)) as Saved;
}

describe("sets of rows", () => {
  it("agree with sets of JavaScript", () => {
    const [a, b] = [bitsOf(6, [1, 3, 3]), bitsOf(6, [3, 5])];
    expect([a.size, ...rowsOf(a)]).toEqual([2, 1, 3]);
    expect([...rowsOf(union(a, b))]).toEqual([1, 3, 5]);
    expect([...rowsOf(without(a, b))]).toEqual([1]);
    expect([...rowsOf(inverted(a))]).toEqual([0, 2, 4, 5]);
    expect([...rowsOf(inverted(a, Uint8Array.of(1, 1, 1, 0, 0, 0)))]).toEqual([0, 2]);
    expect([...rowsOf(toggled(toggled(a, 0), 1))]).toEqual([0, 3]);
    expect(toggled(a, 1).size).toBe(1);
  });

  it.each([[[3]], [Array.from({ length: 700 }, (_, at) => at * 3)]])("are saved by numbers, few or many", (rows) => {
    const number = (row: number) => row * 2 + 1;
    const packed = packBits(bitsOf(3000, rows), number, 6001);
    expect(Object.keys(packed)).toEqual([rows.length > 100 ? "bits" : "numbers"]);
    const again = unpackBits(JSON.parse(JSON.stringify(packed)), number, 3000);
    expect([...rowsOf(again)]).toEqual(rows);
  });
});

describe("the saved state", () => {
  it("keeps selection, point, marks and view", () => {
    const state = new PageState(engine);
    const session = new Session(engine, state);
    state.select([1, 3]);
    state.other = bitsOf(4, [0]);
    state.hidden = { error: ["a"] };
    state.camera = { x: 0.3, y: 0.4, zoom: 5 };
    state.map = 1;
    state.mode = "lasso";
    state.tab = "compare";
    session.goRow(2);
    session.keep("A");
    session.goPlace(0.25, 0.75);
    session.close();
    const again = new PageState(engine);
    again.restore(throughText(state));
    expect([...rowsOf(again.selection)]).toEqual([1, 3]);
    expect([...rowsOf(again.other!)]).toEqual([0]);
    expect(again.only).toBeNull();
    expect([again.map, again.mode, again.tab]).toEqual([1, "lasso", "compare"]);
    expect(again.camera).toEqual({ x: 0.3, y: 0.4, zoom: 5 });
    expect(again.hidden).toEqual({ error: ["a"] });
    expect(again.point).toEqual({
      origin: { kind: "place", x: 0.25, y: 0.75 },
      latents: Float32Array.of(0.25, 0.75),
      input: null,
    });
    expect(again.marks.A).toEqual({ name: "row 33", row: 2, latents: Float32Array.of(0.5, 0.9) });
  });

  it("finds rows by their numbers in a page that contains other rows", () => {
    const state = new PageState(engine);
    const session = new Session(engine, state);
    state.select([0, 1]);
    session.goRow(1);
    session.close();
    const fewer = madeEngine({
      latents: [
        [0, 0],
        [0.9, 0.1],
      ],
      numbers: [3, 7],
      total: 40,
    });
    const again = new PageState(fewer);
    again.restore(throughText(state));
    expect([...rowsOf(again.selection)]).toEqual([1]);
    expect(again.point?.origin).toEqual({ kind: "row", row: 1 });
  });

  it("keeps the missing cells of an edited row", async () => {
    const state = new PageState(engine);
    const session = new Session(engine, state);
    session.goRow(0);
    session.edit(Float64Array.of(NaN, 3));
    await new Promise((resolve) => setTimeout(resolve));
    session.close();
    const again = new PageState(engine);
    again.restore(throughText(state));
    expect(again.point?.input).toEqual(Float64Array.of(NaN, 3));
  });

  it.each([[null], ["text"], [{ version: 2 }], [{ version: 1, camera: { x: "a" }, colour: "column:9", map: 3 }]])(
    "that makes no sense changes nothing: %j",
    (saved) => {
      const state = new PageState(engine);
      const before = JSON.stringify(state);
      state.restore(saved);
      expect(JSON.stringify(state)).toBe(before);
    },
  );
});
