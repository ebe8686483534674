/** Where a photo comes in: dropped, pasted, chosen, taken, or one of the examples. Knows nothing of boxes but examples'. */

import "./photo.css";
import { problemOf, type Problem } from "../api/problem";
import { element } from "../element";
import { announce } from "../shell/announce";
import { icon } from "../shell/icons";
import type { Box, Photo, View } from "../types";
import { EXAMPLES, fetchExample, type Example } from "./examples";
import { openPhoto, type PhotoLimits } from "./open";

export function photoView(given: {
  readonly limits: () => PhotoLimits;
  readonly onPhoto: (photo: Photo, examples?: readonly Omit<Box, "id">[]) => void;
  readonly onProblem: (problem: Problem) => void;
}): View {
  const isTouched = matchMedia("(pointer: coarse)").matches;
  const invitation = isTouched ? "Begin with a photo" : "Drop a photo here";
  const title = element("p", { class: "photo-title" }, invitation);
  const choose = element(
    "button",
    { type: "button", class: "button primary", onclick: () => picker().click() },
    icon("photo"),
    "Choose a photo",
  );
  const take = element(
    "button",
    { type: "button", class: "button", hidden: true, onclick: () => picker("environment").click() },
    icon("camera"),
    "Take a photo",
  );
  const area = element(
    "div",
    { class: "photo-area" },
    element("div", { class: "photo-mark" }, icon("photo")),
    title,
    !isTouched && element("p", { class: "hint photo-paste" }, "or paste one with ", element("kbd", {}, pasteKeys())),
    element("div", { class: "photo-buttons" }, choose, take),
    element(
      "p",
      { class: "hint photo-advice" },
      "What works best: whole in the picture, sharp, well lit, nothing in front of it.",
    ),
  );
  const examples = element(
    "div",
    { class: "photo-examples" },
    element("h2", { class: "photo-examples-title" }, "No photo at hand? Try one of these"),
    element("ul", { class: "photo-examples-list" }, ...EXAMPLES.map((each) => element("li", {}, exampleButton(each)))),
  );
  const root = element("section", { class: "photo", attributes: { "aria-label": "Photo" } }, area, examples);

  // Whoever asks last is answered: opening a large photo takes a while.
  let turn = 0;

  async function open(fetched: Promise<File> | File, boxes?: readonly Omit<Box, "id">[]): Promise<void> {
    turn += 1;
    const mine = turn;
    root.setAttribute("aria-busy", "true");
    title.textContent = "Opening the photo…";
    announce("Opening the photo.");
    try {
      const photo = await openPhoto(await fetched, given.limits());
      if (mine === turn) given.onPhoto(photo, boxes);
      else URL.revokeObjectURL(photo.url);
    } catch (thrown) {
      if (mine === turn) given.onProblem(problemOf(thrown));
    } finally {
      if (mine === turn) {
        root.removeAttribute("aria-busy");
        title.textContent = invitation;
      }
    }
  }

  /**
   * A chooser of files; made anew each time, so that the same file can be chosen twice. It is in the page while people
   * choose, because browsers may forget one that is nowhere.
   */
  function picker(capture?: "environment"): HTMLInputElement {
    const input = element("input", {
      type: "file",
      hidden: true,
      accept: capture ? "image/*" : given.limits().types.join(","),
      onchange: () => {
        const [file] = input.files ?? [];
        if (file) void open(file);
      },
    });
    if (capture) input.capture = capture;
    root.querySelector(":scope > input")?.remove();
    root.append(input);
    return input;
  }

  function exampleButton(example: Example): HTMLButtonElement {
    return element(
      "button",
      { type: "button", class: "photo-example", onclick: () => void open(fetchExample(example), example.boxes) },
      element("img", { src: example.path, alt: "", width: 160, height: 120, loading: "lazy", decoding: "async" }),
      element("span", {}, example.name),
    );
  }

  // Dragging passes over many elements, and tells of each that it enters and leaves.
  let depth = 0;

  function highlight(isOver: boolean): void {
    area.classList.toggle("over", isOver);
  }

  function hasFiles(event: DragEvent): boolean {
    return event.dataTransfer?.types.includes("Files") === true;
  }

  function dragover(event: DragEvent): void {
    if (!hasFiles(event)) return;
    // Else the browser leaves the page to show the file.
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  }

  function drop(event: DragEvent): void {
    depth = 0;
    highlight(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) void open(file);
  }

  function paste(event: ClipboardEvent): void {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    void open(file);
  }

  const listening = new AbortController();
  const { signal } = listening;
  window.addEventListener(
    "dragenter",
    (event) => {
      if (!hasFiles(event)) return;
      depth += 1;
      highlight(true);
    },
    { signal },
  );
  window.addEventListener(
    "dragleave",
    (event) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) highlight(false);
    },
    { signal },
  );
  window.addEventListener("dragover", dragover, { signal });
  window.addEventListener("drop", drop, { signal });
  document.addEventListener("paste", paste, { signal });
  if (isTouched) void hasCamera().then((has) => (take.hidden = !has));

  return {
    root,
    destroy() {
      turn += 1;
      listening.abort();
    },
  };
}

/** Whether there is a camera, as far as the page may know. */
async function hasCamera(): Promise<boolean> {
  if (!isSecureContext) return false;
  try {
    return (await navigator.mediaDevices.enumerateDevices()).some(({ kind }) => kind === "videoinput");
  } catch {
    return false; // The page's owner may have told the browser to keep cameras from it.
  }
}

function pasteKeys(): string {
  return /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘ V" : "Ctrl V";
}
