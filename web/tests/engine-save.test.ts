import { describe, expect, it, vi } from "vitest";
import { parts, readState, save, type Pristine } from "../src/engine/save";
import type { Engine } from "../src/engine/types";

function element(tagName: string, outerHTML: string): Element {
  return { tagName, outerHTML } as unknown as Element;
}

const page: Pristine = {
  start: "<!doctype html>\n<html><head></head>",
  body: [
    element("DIV", '<div id="page"></div>'),
    element("SCRIPT", '<script type="application/json" id="diabolo-header">{}</script>'),
    element("SCRIPT", '<script type="module">start()</script>'),
  ],
};

function root(text: string | null): ParentNode {
  return { querySelector: () => (text === null ? null : { textContent: text }) } as unknown as ParentNode;
}

describe("a saved page", () => {
  it("has its parts in order, the state before the scripts", () => {
    const html = parts(page, { selection: [1, 2] }).join("");
    expect(html.indexOf('id="page"')).toBeLessThan(html.indexOf("diabolo-state"));
    expect(html.indexOf("diabolo-state")).toBeLessThan(html.indexOf("diabolo-header"));
    expect(html.indexOf("diabolo-header")).toBeLessThan(html.indexOf("start()"));
    expect(html.endsWith("</body>\n</html>\n")).toBe(true);
  });

  it("gives its state back, whatever texts are in it", () => {
    const state = { search: "</script><script>alert(1)</script><!-- \u202e \u2028", rows: [1] };
    const html = parts(page, state).join("");
    expect(html.match(/<\/script>/g)).toHaveLength(3);
    const text = html.split('id="diabolo-state">')[1].split("</script>")[0];
    expect(readState(root(text))).toEqual(state);
  });

  it("without a state, or with one that is damaged, has none", () => {
    expect(readState(root(null))).toBeNull();
    expect(readState(root("{"))).toBeNull();
  });

  it("comes from the server where there is one", async () => {
    const asked: unknown[] = [];
    vi.stubGlobal("fetch", (url: string, options: RequestInit) => {
      asked.push(url, options.method, options.body);
      return Promise.resolve(new Response("<html>"));
    });
    const blob = await save({ header: { base: "/t/" } } as unknown as Engine, { a: 1 });
    vi.unstubAllGlobals();
    expect(await blob.text()).toBe("<html>");
    expect(asked).toEqual(["/t/save", "POST", '{"a":1}']);
  });

  it("cannot be made inside another document", async () => {
    await expect(save({ header: { base: null } } as unknown as Engine, {})).rejects.toThrow("part of another document");
  });
});
