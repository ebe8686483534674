/** The viewer: a model on a canvas, and buttons for how it is shown. The chunk that brings three.js; knows no job. */

import "./viewer.css";
import { element } from "../element";
import { icon } from "../shell/icons";
import type { View } from "../types";
import { readModel, type Mode, type ModelStats } from "./model";
import { createStage } from "./stage";

export interface Viewer extends View {
  /**
   * Shows a GLB in place of the last; which stays until this one is ready.
   *
   * @param data The file.
   * @param label What it shows, for those who do not see it.
   * @param signal Aborted where it is no longer wanted: then nothing changes, and the promise is rejected with its reason.
   * @throws Problem `model_unreadable`.
   */
  show(data: ArrayBuffer, label: string, signal: AbortSignal): Promise<ModelStats>;
}

const MODES: readonly (readonly [Mode, string])[] = [
  ["textured", "Textured"],
  ["plain", "Plain"],
  ["wireframe", "Wireframe"],
];

let made = 0;

/**
 * A viewer without a model.
 *
 * @throws Problem `no_webgl`.
 */
export function createViewer(given: { reducedMotion: boolean }): Viewer {
  const name = `viewer-mode-${(made += 1)}`;
  const lostNote = element("p", {
    class: "viewer-note",
    hidden: true,
    textContent: "The graphics card took a break. The model comes back by itself.",
  });
  const canvas = element("canvas", { class: "viewer-canvas", attributes: { role: "img" } });
  const hint = element("p", { class: "viewer-hint", id: `${name}-hint` });
  hint.append(
    element("span", { class: "viewer-hint-mouse", textContent: "Drag to turn · click, then scroll to zoom" }),
    element("span", { class: "viewer-hint-touch", textContent: "Swipe sideways to turn · pinch to zoom" }),
    element("span", { class: "unseen", textContent: " Arrow keys turn, plus and minus zoom, 0 resets." }),
  );
  canvas.setAttribute("aria-describedby", hint.id);
  const frame = element("div", { class: "viewer-frame" }, canvas, hint);

  const stage = createStage(canvas, given.reducedMotion, (lost) => {
    lostNote.hidden = !lost;
  });
  const useHint = (): void => {
    hint.classList.add("viewer-hint-used");
  };
  canvas.addEventListener("pointerdown", useHint, { once: true });
  canvas.addEventListener("keydown", useHint, { once: true });

  const modes = element(
    "fieldset",
    { class: "viewer-modes" },
    element("legend", { class: "unseen", textContent: "Show the model" }),
    ...MODES.map(([mode, text]) =>
      element(
        "label",
        { class: "viewer-mode" },
        element("input", {
          type: "radio",
          name,
          value: mode,
          checked: mode === "textured",
          onchange: () => stage.setMode(mode),
        }),
        element("span", { textContent: text }),
      ),
    ),
  );
  const reset = button("reset", "Reset the view", () => stage.reset());
  const fullscreen = button("fullscreen", "Fullscreen", () => {
    // Refused, for instance in a frame that may not: then it stays as it is.
    const asked = document.fullscreenElement === null ? root.requestFullscreen() : document.exitFullscreen();
    asked.catch(() => undefined);
  });
  fullscreen.hidden = !document.fullscreenEnabled;
  const onFullscreen = (): void => {
    const full = document.fullscreenElement === root;
    const text = full ? "Leave fullscreen" : "Fullscreen";
    fullscreen.title = text;
    fullscreen.setAttribute("aria-label", text);
    fullscreen.replaceChildren(icon(full ? "close" : "fullscreen"));
  };
  document.addEventListener("fullscreenchange", onFullscreen);

  frame.append(element("div", { class: "viewer-buttons" }, reset, fullscreen), lostNote);
  const root = element("div", { class: "viewer" }, frame, modes);

  return {
    root,
    async show(data, label, signal) {
      const model = await readModel(data);
      if (signal.aborted) {
        model.dispose();
        signal.throwIfAborted();
      }
      stage.show(model);
      canvas.setAttribute("aria-label", label);
      return model.stats;
    },
    destroy() {
      document.removeEventListener("fullscreenchange", onFullscreen);
      stage.destroy();
    },
  };
}

function button(name: Parameters<typeof icon>[0], text: string, onclick: () => void): HTMLButtonElement {
  const attributes = { "aria-label": text };
  return element(
    "button",
    { type: "button", class: "button quiet icon", title: text, attributes, onclick },
    icon(name),
  );
}
