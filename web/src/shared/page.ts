/** The page as a whole: its views and its size. */

import type { Header } from "../format";

/** What holds the script elements of the data. */
export type Root = ParentNode;

export type View = "report" | "explore";

/** Return the first view: that of the address, else the saved one, else that of the header. */
export function viewOf(hash: string, saved: unknown, header: Pick<Header, "view"> | null): View {
  const name = hash.replace("#", "");
  if (name.startsWith("explore")) return "explore";
  if (name.startsWith("report")) return "report";
  const view = (saved as { view?: unknown } | null)?.view;
  if (view === "explore" || view === "report") return view;
  return header?.view === "explore" ? "explore" : "report";
}

/** Return about how many bytes the file of a page has: its scripts and styles, nearly all of one byte per letter. */
export function pageSize(root: Root): number {
  let size = 0;
  for (const each of root.querySelectorAll("script, style")) {
    // The length of a text node is known; reading its text would copy it.
    if (each.firstChild instanceof CharacterData) size += each.firstChild.length;
  }
  return size;
}
