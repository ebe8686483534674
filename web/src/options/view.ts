/** Quality and formats, and the rest folded away. Knows neither the photo nor the boxes. */

import "./options.css";
import { element } from "../element";
import { createStore, type Store } from "../store";
import type { Options, View } from "../types";
import {
  FORMATS,
  NUMBERS,
  QUALITIES,
  readNumber,
  TEXTURE_FORMATS,
  withFormat,
  withNumber,
  type NumberRule,
} from "./options";

export { defaultOptions } from "./options";

let count = 0;

export interface OptionsView extends View {
  /** What is wrong with a number that was typed; null where nothing is. Until it is mended the options stay as they were. */
  readonly wrong: Store<string | null>;
}

/** @param makesSplats Whether the engine does; else they cannot be asked for. */
export function optionsView(options: Store<Options>, makesSplats: boolean): OptionsView {
  const wrongs = new Map<string, string>();
  const wrong = createStore<string | null>(null);
  count += 1;
  const prefix = `options-${count}`;
  const shows: ((now: Options) => void)[] = [];

  function quality(): HTMLElement {
    const cards = QUALITIES.map(({ quality, name, about }) => {
      const input = element("input", {
        type: "radio",
        name: `${prefix}-quality`,
        value: quality,
        onchange: () => options.set({ ...options.get(), quality }),
      });
      shows.push((now) => (input.checked = now.quality === quality));
      return card(input, name, about);
    });
    return group("Quality", "options-cards", cards);
  }

  function formats(): HTMLElement {
    const cards = FORMATS.map(({ format, name, about }) => {
      const input = element("input", {
        type: "checkbox",
        onchange: () => options.set(withFormat(options.get(), format, input.checked)),
      });
      const isMade = format !== "splats" || makesSplats;
      shows.push((now) => {
        input.checked = format === "glb" || now.formats.includes(format);
        // What an earlier job was asked for can be taken back.
        input.disabled = format === "glb" || !(isMade || input.checked);
      });
      return card(input, name, isMade ? about : "The preview engine makes none.");
    });
    return group("Files", "options-rows", cards);
  }

  function numberField(rule: NumberRule): HTMLElement {
    const id = `${prefix}-${rule.name}`;
    const fault = element("p", { id: `${id}-wrong`, class: "problem", hidden: true });
    const input = element("input", {
      id,
      type: "text",
      inputMode: "numeric",
      autocomplete: "off",
      placeholder: rule.name === "seed" ? "" : "As the quality has it",
      onchange: () => {
        const value = readNumber(input.value, rule);
        const isWrong = typeof value === "string";
        fault.textContent = isWrong ? value : "";
        fault.hidden = !isWrong;
        input.setAttribute("aria-invalid", String(isWrong));
        if (isWrong) wrongs.set(rule.name, value);
        else wrongs.delete(rule.name);
        wrong.set([...wrongs.values()][0] ?? null);
        if (!isWrong) options.set(withNumber(options.get(), rule, value));
      },
      attributes: { "aria-describedby": `${id}-about ${id}-wrong` },
    });
    shows.push((now) => {
      if (input.getAttribute("aria-invalid") !== "true") input.value = String(now[rule.name] ?? "");
    });
    return element(
      "div",
      { class: "field" },
      element("label", { htmlFor: id }, rule.text),
      input,
      element("p", { id: `${id}-about`, class: "hint" }, rule.about),
      fault,
    );
  }

  function textureFormat(): HTMLElement {
    const id = `${prefix}-texture-format`;
    const choices = TEXTURE_FORMATS.map(({ format, name }) => element("option", { value: format }, name));
    const select = element(
      "select",
      {
        id,
        onchange: () => {
          const chosen = TEXTURE_FORMATS.find((each) => each.format === select.value);
          options.set({ ...options.get(), texture_format: chosen?.format ?? null });
        },
      },
      element("option", { value: "" }, "As the quality has it"),
      ...choices,
    );
    shows.push((now) => (select.value = now.texture_format ?? ""));
    return element("div", { class: "field" }, element("label", { htmlFor: id }, "Texture as"), select);
  }

  function onOff(name: "scene" | "normal_map", title: string, about: string): HTMLElement {
    const input = element("input", {
      type: "checkbox",
      onchange: () => options.set({ ...options.get(), [name]: input.checked }),
    });
    shows.push((now) => (input.checked = now[name]));
    return card(input, title, about);
  }

  const root = element(
    "div",
    { class: "options" },
    quality(),
    formats(),
    element(
      "details",
      { class: "options-more" },
      element("summary", {}, "More options"),
      element(
        "div",
        { class: "options-fields" },
        onOff("scene", "Whole scene", "One more file, with every object in its place."),
        onOff("normal_map", "Normal map", "Finer shading from a second picture; larger files."),
        textureFormat(),
        ...NUMBERS.map(numberField),
      ),
    ),
  );
  const end = options.subscribe((now) => {
    for (const show of shows) show(now);
  });
  return { root, wrong, destroy: end };
}

function group(name: string, look: string, content: readonly HTMLElement[]): HTMLElement {
  return element(
    "fieldset",
    { class: "options-group" },
    element("legend", { class: "options-legend" }, name),
    element("div", { class: look }, ...content),
  );
}

/** A choice with a line about it; all of it can be clicked. */
function card(input: HTMLInputElement, name: string, about: string): HTMLElement {
  return element(
    "label",
    { class: "options-card" },
    input,
    element("span", {}, element("span", { class: "options-name" }, name), element("span", { class: "hint" }, about)),
  );
}
