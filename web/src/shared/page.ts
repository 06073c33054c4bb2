/** The page as a whole: its views and its size. */

import type { Header } from "../format";

/** What holds the script elements of the data. */
export type Root = ParentNode;

export type View = "report" | "explore";

/** Return the view to begin with: of the address, else as it was saved, else as the header says. */
export function viewOf(hash: string, saved: unknown, header: Pick<Header, "view"> | null): View {
  const name = hash.replace("#", "");
  if (name.startsWith("explore")) return "explore";
  if (name.startsWith("report")) return "report";
  const view = (saved as { view?: unknown } | null)?.view;
  if (view === "explore" || view === "report") return view;
  return header?.view === "explore" ? "explore" : "report";
}

/** Return about how many bytes the file of a page has: its scripts and styles, of one byte a letter nearly always. */
export function pageSize(root: Root): number {
  let size = 0;
  for (const each of root.querySelectorAll("script, style")) {
    // The length of a text node is known; its text would be copied.
    if (each.firstChild instanceof CharacterData) size += each.firstChild.length;
  }
  return size;
}
