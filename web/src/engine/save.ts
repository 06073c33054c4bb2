/**
 * Save the page with its state as one file.
 *
 * The file is made of the parts of the document that were there before the views were mounted: its head, the scripts
 * with data, the script of the page. They are stored when this module is loaded, before the views are mounted, because
 * a page from file:// cannot be read again.
 */

import { ask } from "./blocks";
import type { Engine } from "./types";

const STATE = "diabolo-state";

/** The parts of a document that a saved page has. */
export interface Pristine {
  /** Up to the end of the head. */
  start: string;
  /** Elements of the body, empty or never changed. */
  body: Element[];
}

/** Return the parts of a document, before views are mounted in it. */
export function remember(source: Document): Pristine {
  const language = source.documentElement.getAttribute("lang") ?? "en";
  const own = (each: Element) => ["META", "TITLE", "STYLE"].includes(each.tagName); // not those of a browser extension
  const head = Array.from(source.head.children).filter(own);
  const lines = head.map((each) => each.outerHTML).join("\n");
  const body = Array.from(source.body.children).flatMap((each) => {
    if (each.id === "page") return [each.cloneNode(false) as Element];
    const kept = each.tagName === "NOSCRIPT" || (each.tagName === "SCRIPT" && !each.hasAttribute("src"));
    return kept && each.id !== STATE ? [each] : [];
  });
  return { start: `<!doctype html>\n<html lang="${escaped(language)}">\n<head>\n${lines}\n</head>`, body };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

// A notebook, of which the page is only a part, is not stored.
const isPage = typeof document !== "undefined" && document.querySelector("script#diabolo-header") !== null;
const pristine = isPage ? remember(document) : null;

/** Return the parts of the saved page, in order. Data scripts come before the script of the page, which reads them. */
export function parts({ start, body }: Pristine, state: unknown): string[] {
  // "<" is escaped so that no text in it ends the script element.
  const json = JSON.stringify(state ?? null).replaceAll("<", "\\u003c");
  const script = `<script type="application/json" id="${STATE}">${json}</script>\n`;
  const at = body.findIndex((each) => each.tagName === "SCRIPT");
  const elements = body.map((each) => `${each.outerHTML}\n`);
  const place = at < 0 ? elements.length : at;
  return [`${start}\n<body>\n`, ...elements.slice(0, place), script, ...elements.slice(place), "</body>\n</html>\n"];
}

/** Return the page as one HTML file with a state, which `readState` returns when the file is opened. */
export async function save(engine: Engine, state: unknown): Promise<Blob> {
  const { base } = engine.header;
  if (base !== null) {
    const answer = await ask(`${base}save`, "the page as a file", JSON.stringify(state ?? null));
    return answer.blob();
  }
  if (!pristine) {
    throw new Error("This page is part of another document, such as a notebook, and cannot be saved from here.");
  }
  return new Blob(parts(pristine, state), { type: "text/html" });
}

/** Return the state that was saved with the page; null: there is none, or it cannot be read. */
export function readState(root: ParentNode = document): unknown {
  try {
    return JSON.parse(root.querySelector(`script#${STATE}`)?.textContent ?? "null") as unknown;
  } catch {
    return null;
  }
}
