import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Latest } from "../src/explore/latest";
import { Session } from "../src/explore/session.svelte";
import { PageState } from "../src/shared/state.svelte";
import { madeEngine } from "./explore-engine";

const latents: [number, number][] = [
  [0.5, 0.5],
  [0.1, 0.1],
  [0.9, 0.9],
  [0.2, 0.1],
];

function begin(late = false) {
  const engine = madeEngine({ latents, late });
  const state = new PageState(engine);
  return { engine, state, session: new Session(engine, state) };
}

const round = (values: Float32Array | null | undefined) =>
  Array.from(values ?? [], (value) => Number(value.toFixed(5)));

describe("the current point", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("begins at the row that is nearest to the mean", () => {
    const { session, state } = begin();
    session.start();
    expect(state.point?.origin).toEqual({ kind: "row", row: 0 });
    expect(round(session.reconstruction as Float32Array)).toEqual([1, 1]);
  });

  it("is decoded within the step of a drag", () => {
    const { session } = begin();
    session.goPlace(0.25, 0.75);
    expect(round(session.reconstruction as Float32Array)).toEqual([0.5, 1.5]);
    expect(session.original).toBeNull();
  });

  it("finds neighbours when the pointer rests, and never hidden ones", () => {
    const { session } = begin();
    session.goRow(1);
    expect(session.nearest).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(session.nearest).toEqual([3, 0, 2]);
    session.visible = Uint8Array.of(1, 1, 1, 0);
    session.refresh();
    vi.advanceTimersByTime(500);
    expect(session.nearest).toEqual([0, 2]);
  });

  it("goes along the line from A to B, and to A + B - C", () => {
    const { session, state } = begin();
    session.goPath(0.5);
    expect(state.point).toBeNull();
    for (const [letter, row] of [
      ["A", 1],
      ["B", 2],
      ["C", 3],
    ] as const) {
      session.goRow(row);
      session.keep(letter);
    }
    session.goPath(0.25);
    expect(round(state.point?.latents)).toEqual([0.3, 0.3]);
    expect(session.title(state.point!)).toBe("path from A to B, 25 %");
    session.goArithmetic();
    expect(round(state.point?.latents)).toEqual([0.8, 0.9]);
    session.goMark("A");
    expect(state.point?.origin).toEqual({ kind: "row", row: 1 });
  });

  it("keeps its row while sliders are moved, and goes back to it", () => {
    const { session, state } = begin();
    session.goRow(2);
    session.setLatent(0, -1);
    expect(round(state.point?.latents)).toEqual([-1, 0.9]);
    expect(session.title(state.point!)).toBe("row 2, latents changed");
    expect(round(session.base)).toEqual([0.9, 0.9]);
    session.reset();
    expect(state.point?.origin).toEqual({ kind: "row", row: 2 });
  });

  it("shows the original of the row it is about, also when answers come late", async () => {
    const { engine, session } = begin();
    const answers: (() => void)[] = [];
    engine.original = (row) =>
      new Promise((resolve) => answers.push(() => resolve(Float32Array.from(latents[row], (value) => 2 * value))));
    session.goRow(1);
    session.goRow(2);
    answers.reverse().forEach((answer) => answer());
    await vi.advanceTimersByTimeAsync(1);
    expect(round(session.original as Float32Array)).toEqual([1.8, 1.8]);
  });

  it("encodes an edited row and decodes what comes out", async () => {
    const { session, state } = begin();
    session.goRow(0);
    session.edit(Float32Array.of(4, 6));
    await vi.advanceTimersByTimeAsync(1);
    expect(round(state.point?.latents)).toEqual([2, 3]);
    expect(round(session.reconstruction as Float32Array)).toEqual([4, 6]);
    expect(session.title(state.point!)).toBe("row 0, edited");
    session.undo();
    expect(state.point?.origin).toEqual({ kind: "row", row: 0 });
  });

  it("shows an edited cell before the slow encoder answers, and keeps later edits", async () => {
    const { engine, session, state } = begin();
    const answers: (() => void)[] = [];
    engine.encode = (row) => new Promise((resolve) => answers.push(() => resolve(Float32Array.from(row))));
    session.goPlace(0.5, 0.5);
    session.edit(Float32Array.of(1, 1));
    session.edit(Float32Array.of(1, 2));
    expect(round(state.point?.input as Float32Array)).toEqual([1, 2]);
    answers[0]();
    await vi.advanceTimersByTimeAsync(1);
    expect(round(state.point?.input as Float32Array)).toEqual([1, 2]);
    answers[1]();
    await vi.advanceTimersByTimeAsync(1);
    expect(round(state.point?.latents)).toEqual([1, 2]);
    session.undo();
    expect(state.point?.origin).toEqual({ kind: "place", x: 0.5, y: 0.5 });
  });

  it("stays where it was put, and is found again on another map", () => {
    const { engine, session, state } = begin();
    engine.placeOf = () => [0.9, 0.1];
    session.goPlace(0.25, 0.75);
    vi.advanceTimersByTime(500);
    expect(session.place).toEqual([0.25, 0.75]);
    state.map = 1;
    session.refresh();
    vi.advanceTimersByTime(500);
    expect(session.place).toEqual([0.9, 0.1]);
  });

  it("says what went wrong", async () => {
    const { engine, session } = begin(true);
    engine.decode = () => Promise.reject(new Error("The server does not answer."));
    session.goRow(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(session.failure).toBe("The server does not answer.");
  });
});

describe("work that is asked for too fast", () => {
  it("is done for the first and the newest request only", async () => {
    const latest = new Latest();
    const done: number[] = [];
    for (let at = 0; at < 10; at++) {
      latest.run(async () => {
        await Promise.resolve();
        done.push(at);
      });
    }
    await new Promise((resolve) => setTimeout(resolve));
    expect(done).toEqual([0, 9]);
  });
});
