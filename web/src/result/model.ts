/** The chosen part in three dimensions, or why it is not to be seen. Brings the viewer when it is first needed. */

import { countText, sizeText } from "../amounts";
import { Problem, problemOf } from "../api/problem";
import { element, type Child } from "../element";
import { icon } from "../shell/icons";
import type { Schemas, View } from "../types";
import type { Viewer } from "../viewer/viewer";
import type { Files } from "./files";
import { nameOf, type Part } from "./parts";

export interface ModelPanel extends View {
  /** Shows a part; the same again changes nothing, however new its links are. */
  show(part: Part): void;
}

const STANDING: Readonly<Record<"waiting" | "outlined" | "absent", string>> = {
  waiting: "It appears here by itself once it is made.",
  outlined: "Its outline is found. The model appears here by itself.",
  absent: "The job ended before this object was made.",
};

export function modelPanel(given: { files: Files }): ModelPanel {
  const host = element("div", { class: "result-viewer" });
  const veil = element("div", { class: "result-veil" });
  const numbers = element("p", { class: "result-numbers hint" });
  const root = element(
    "div",
    { class: "result-model" },
    element("div", { class: "result-model-frame" }, host, veil),
    numbers,
  );

  // It is large: it comes while the job still runs, not when the model is there.
  const room = import("../viewer/viewer").catch(() => {
    // Not every browser asks again for a module that did not come.
    throw new Problem(
      "viewer_not_loaded",
      "The viewer did not come through. Check the connection, and reload the page.",
    );
  });
  // Who needs no viewer hears nothing of it.
  room.catch(() => undefined);
  let viewer: Promise<Viewer> | null = null;
  let shown = "";
  let current = new AbortController();

  function cover(kind: "note" | "loading" | "problem", ...children: Child[]): void {
    veil.className = `result-veil result-veil-${kind}`;
    veil.replaceChildren(...children.filter((child) => child instanceof Node || typeof child === "string"));
    veil.hidden = false;
  }

  async function openViewer(): Promise<Viewer> {
    const made = (await room).createViewer({ reducedMotion: matchMedia("(prefers-reduced-motion: reduce)").matches });
    host.append(made.root);
    return made;
  }

  async function load(part: Part, file: Schemas["File"], signal: AbortSignal): Promise<void> {
    const bar = element("progress", { max: file.bytes, value: 0, ariaLabel: "Loading the model" });
    cover("loading", element("p", { textContent: `Loading the model, ${sizeText(file.bytes)}` }), bar);
    try {
      // The viewer and the first model come side by side.
      viewer ??= openViewer().catch((thrown: unknown) => {
        viewer = null;
        throw thrown;
      });
      const coming = given.files.blob(file.name, (loaded) => {
        bar.value = loaded;
      });
      // Where the viewer fails, nobody else would hear of this.
      coming.catch(() => undefined);
      const opened = await viewer;
      const data = await (await coming).arrayBuffer();
      signal.throwIfAborted();
      const stats = await opened.show(data, `3D model: ${nameOf(part)}`, signal);
      const counts = [countText(stats.faces, "face", "faces"), countText(stats.vertices, "vertex", "vertices")];
      numbers.textContent = [...counts, sizeText((part.plain ?? file).bytes)].join(" · ");
      veil.hidden = true;
    } catch (thrown) {
      if (signal.aborted) return;
      const problem = problemOf(thrown);
      cover(
        "problem",
        icon("warning"),
        element("p", { textContent: problem.message }),
        // What is missing in the browser, or wrong with the file, is so the next time too.
        ["no_webgl", "model_unreadable"].includes(problem.code)
          ? null
          : element(
              "button",
              {
                type: "button",
                class: "button",
                onclick: () => {
                  if (problem.code === "viewer_not_loaded") location.reload();
                  else void load(part, file, signal);
                },
              },
              icon("retry"),
              problem.code === "viewer_not_loaded" ? "Reload" : "Try again",
            ),
      );
    }
  }

  return {
    root,
    show(part) {
      // A compact file that follows the plain one shows nothing new.
      const key = [part.key, part.state, part.model !== null, part.error?.message].join("/");
      if (key === shown) return;
      shown = key;
      current.abort();
      current = new AbortController();
      numbers.textContent = "";
      if (part.state === "failed") {
        cover(
          "problem",
          icon("warning"),
          element("p", { textContent: part.error?.message ?? "It was not made." }),
          part.error && element("p", { class: "hint" }, element("code", { textContent: part.error.code })),
        );
      } else if (part.state !== "made") {
        cover("note", icon("cube"), element("p", { textContent: STANDING[part.state] }));
      } else if (part.model === null) {
        cover(
          "note",
          icon("cube"),
          element("p", { textContent: "No GLB was asked for, so nothing can be shown here." }),
        );
      } else {
        void load(part, part.model, current.signal);
      }
    },
    destroy() {
      current.abort();
      void viewer?.then(
        (opened) => opened.destroy(),
        () => undefined,
      );
    },
  };
}
