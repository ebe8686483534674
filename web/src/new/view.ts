/** The page of a new job: a photo, then boxes and options, then on its way. Knows neither HTTP nor what comes after. */

import { countText } from "../amounts";
import type { Problem } from "../api/problem";
import { boxEditor } from "../boxes/editor";
import { boxList } from "../boxes/list";
import { element } from "../element";
import { optionsView } from "../options/view";
import { photoView } from "../photo/view";
import { confirmed } from "../shell/dialog";
import { icon } from "../shell/icons";
import { showProblem } from "../shell/notices";
import { focusHeading, setTitle } from "../shell/title";
import type { Store } from "../store";
import type { Schemas, View } from "../types";
import { TYPES } from "./asked";
import type { Canvas, Drafting } from "./drafting";
import { goView, percentOf } from "./go";
import "./new.css";
import { photoNote } from "./note";
import type { Submission } from "./submission";

interface Given {
  readonly drafting: Drafting;
  readonly submission: Submission;
  /** Null until they have come. */
  readonly limits: Store<Schemas["Limits"] | null>;
  readonly makesSplats: boolean;
}

/** The page; it shows a photo to be chosen, or the one in work. */
export function newView(given: Given): View {
  const root = element("div", { class: "new" });
  let shown: View | null = null;
  const show = (view: View): void => {
    shown?.destroy();
    shown = view;
    root.replaceChildren(view.root);
  };
  let isFirst = true;
  const forget = given.drafting.canvas.subscribe((canvas) => {
    show(canvas === null ? beginning(given) : editing(given, canvas));
    if (!isFirst) focusHeading(root);
    isFirst = false;
  });
  return {
    root,
    destroy() {
      forget();
      shown?.destroy();
    },
  };
}

function beginning({ drafting, limits }: Given): View {
  setTitle(null);
  const photo = photoView({
    // Until the service has said what it takes, it is left to it.
    limits: () => ({ maxBytes: limits.get()?.max_image_bytes ?? Infinity, types: limits.get()?.image_types ?? TYPES }),
    onPhoto: (chosen, examples) => drafting.begin(chosen, examples),
    onProblem: (problem: Problem) => showProblem(problem),
  });
  const root = element(
    "div",
    { class: "new-beginning" },
    element(
      "div",
      { class: "new-words" },
      element("h1", {}, "Turn a photo into 3D"),
      element(
        "p",
        {},
        "Choose a photo, draw a box around each thing in it, and get a mesh of each to turn around and take along.",
      ),
    ),
    photo.root,
  );
  return { root, destroy: () => photo.destroy() };
}

function editing(given: Given, canvas: Canvas): View {
  const { drafting, submission } = given;
  const { photo, boxes } = canvas;
  const options = optionsView(drafting.options, given.makesSplats);
  const views = {
    editor: boxEditor(canvas),
    list: boxList(canvas),
    options,
    go: goView({ ...given, canvas, wrong: options.wrong }),
  };
  const heading = element("h2", { class: "new-count" });
  const other = element(
    "button",
    { type: "button", class: "button quiet", onclick: () => void chooseAnother(drafting, canvas) },
    icon("photo"),
    "Other photo",
  );
  const photoPart = element(
    "section",
    { class: "new-photo", attributes: { "aria-label": "Photo" } },
    views.editor.root,
    photoNote(photo),
  );
  const wishes = element(
    "div",
    { class: "new-wishes" },
    element("section", { class: "card" }, heading, views.list.root),
    element("section", { class: "card" }, element("h2", {}, "Quality and files"), views.options.root),
  );
  const root = element(
    "div",
    { class: "new-editing" },
    element("div", { class: "new-head" }, element("h1", {}, "Draw a box around each thing"), other),
    element("div", { class: "new-columns" }, photoPart, element("div", { class: "new-side" }, wishes, views.go.root)),
  );
  function title(): void {
    const state = submission.state.get();
    const doing = state.kind === "uploading" ? `${percentOf(state)} % sent` : heading.textContent;
    setTitle(`${doing} · ${photo.file.name}`);
  }
  const forget = [
    boxes.list.subscribe((list) => {
      heading.textContent = list.length === 0 ? "Boxes" : countText(list.length, "box", "boxes");
      title();
    }),
    submission.state.subscribe(({ kind }) => {
      title();
      // What is on its way is not changed any more.
      const isOnItsWay = kind === "asking" || kind === "uploading";
      photoPart.inert = wishes.inert = isOnItsWay;
      other.disabled = isOnItsWay;
    }),
  ];
  return {
    root,
    destroy() {
      for (const each of forget) each();
      for (const view of Object.values(views)) view.destroy();
    },
  };
}

async function chooseAnother(drafting: Drafting, { boxes }: Canvas): Promise<void> {
  const drawn = boxes.list.get().length;
  const isSure =
    drawn === 0 ||
    (await confirmed({
      title: "Take another photo?",
      text: `The ${drawn === 1 ? "box that you have" : `${drawn} boxes that you have`} drawn on this one will be gone.`,
      yes: "Another photo",
      no: "Keep this one",
    }));
  if (isSure) drafting.clear();
}
