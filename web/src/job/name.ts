/** A job's name as a heading, and as a field where one renames it. Knows no API. */

import { problemOf } from "../api/problem";
import { element } from "../element";
import { icon } from "../shell/icons";
import { showProblem } from "../shell/notices";

const LONGEST = 80;

export interface Name {
  readonly root: HTMLElement;
  set(label: string): void;
}

/**
 * The name, with a pencil beside it.
 *
 * @param given The heading, where in it the name stands, and what keeps another name and gives it as it was kept.
 */
export function editableName(given: {
  readonly heading: HTMLElement;
  readonly text: HTMLElement;
  readonly rename: (label: string) => Promise<string>;
}): Name {
  const { heading, text, rename } = given;
  const pencil = element(
    "button",
    {
      type: "button",
      class: "button quiet icon",
      onclick: begin,
      attributes: { "aria-label": "Rename", title: "Rename" },
    },
    icon("rename"),
  );
  const field = element("input", {
    type: "text",
    maxLength: LONGEST,
    required: true,
    attributes: { "aria-label": "Name", autocomplete: "off" },
  });
  const form = element(
    "form",
    { class: "job-rename", hidden: true, onsubmit: (event) => void keep(event) },
    field,
    element("button", { type: "submit", class: "button primary" }, "Save"),
    element("button", { type: "button", class: "button", onclick: end }, "Cancel"),
  );
  const shown = element("div", { class: "job-name" }, heading, pencil);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });

  let isKeeping = false;
  function set(label: string): void {
    if (text.textContent === label) return;
    text.textContent = label;
    pencil.setAttribute("aria-label", `Rename ${label}`);
  }
  function begin(): void {
    field.value = text.textContent;
    shown.hidden = true;
    form.hidden = false;
    field.focus();
    field.select();
  }
  function end(): void {
    form.hidden = true;
    shown.hidden = false;
    pencil.focus();
  }
  async function keep(event: Event): Promise<void> {
    event.preventDefault();
    const wanted = field.value.trim();
    if (wanted === "" || wanted === text.textContent) {
      end();
      return;
    }
    if (isKeeping) return;
    isKeeping = true;
    try {
      set(await rename(wanted));
      end();
    } catch (thrown) {
      showProblem(problemOf(thrown));
    } finally {
      isKeeping = false;
    }
  }
  return {
    root: element("div", { class: "job-naming" }, shown, form),
    set,
  };
}
