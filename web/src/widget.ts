/**
 * The page as a widget of a notebook, as anywidget 0.9 and later expects it.
 *
 * The trait `page` is the text of the data: the header and the blocks as script elements. They are parsed into a
 * document that is never shown, so nothing in it runs. The page is in a shadow tree, so that the
 * notebook and the page do not change each other's styles. Build this file with `css: "injected"`: the styles of
 * components then get into the shadow tree.
 */

import { mount, unmount } from "svelte";
import App from "./App.svelte";
import style from "./style.css?inline";

/** The part of anywidget's model that is used. */
interface WidgetModel {
  get(name: "page"): string;
  on(event: "change:page", callback: () => void): void;
  off(event: "change:page", callback: () => void): void;
}

/** Show the page in an element of a notebook. Returns a function that removes it. */
function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const host = document.createElement("div");
  el.append(host);
  const tree = host.attachShadow({ mode: "open" });
  let end = show();

  function show(): () => void {
    const look = document.createElement("style");
    look.textContent = style;
    const target = document.createElement("div");
    tree.replaceChildren(look, target);
    const root = new DOMParser().parseFromString(model.get("page"), "text/html");
    const app = mount(App, { target, props: { root, whole: false } });
    return () => void unmount(app);
  }
  function again(): void {
    end();
    end = show();
  }

  model.on("change:page", again);
  return () => {
    model.off("change:page", again);
    end();
    host.remove();
  };
}

export default { render };
