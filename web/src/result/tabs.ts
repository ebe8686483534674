/** The strip of a job's objects and its scene, one of which is chosen. Knows nothing of what is shown of it. */

import { element } from "../element";
import { icon } from "../shell/icons";
import type { Store } from "../store";
import type { View } from "../types";
import type { Part, PartState } from "./parts";

export interface Tabs extends View {
  /** Gives an object's tab its picture. */
  setPicture(index: number, picture: HTMLCanvasElement): void;
}

const STATES: Readonly<Record<PartState, string>> = {
  waiting: "Waiting",
  outlined: "Outline found",
  made: "Ready",
  failed: "Failed",
  absent: "Not made",
};

interface Tab {
  readonly button: HTMLButtonElement;
  readonly picture: HTMLElement;
  readonly state: HTMLElement;
}

/** The id of a part's tab, which labels the panel. */
export function tabId(key: string): string {
  return `result-tab-${key}`;
}

/**
 * @param given.chosen The key of the part that is shown.
 * @param given.pointed Set to the object whose tab is pointed at, or focused.
 * @param given.panel The id of what the tabs control.
 */
export function partTabs(given: {
  parts: Store<readonly Part[]>;
  chosen: Store<string | null>;
  pointed: Store<number | null>;
  panel: string;
  choose(key: string): void;
}): Tabs {
  const tabs = new Map<string, Tab>();
  const root = element("div", {
    class: "result-tabs",
    attributes: { role: "tablist", "aria-label": "Objects" },
    onkeydown: move,
  });

  function tabOf(part: Part): Tab {
    const known = tabs.get(part.key);
    if (known !== undefined) return known;
    const number =
      part.index === null ? null : element("span", { class: "result-tab-number", textContent: `${part.index + 1}` });
    const picture = element("span", { class: "result-tab-picture", ariaHidden: "true" }, icon("cube"));
    const state = element("span", { class: "result-tab-state" });
    const button = element(
      "button",
      {
        type: "button",
        class: "result-tab",
        id: tabId(part.key),
        attributes: { role: "tab", "aria-controls": given.panel },
        onclick: () => given.choose(part.key),
        onpointerenter: () => given.pointed.set(part.index),
        onpointerleave: () => given.pointed.set(null),
        onfocus: () => given.pointed.set(button.matches(":focus-visible") ? part.index : null),
        onblur: () => given.pointed.set(null),
      },
      picture,
      element(
        "span",
        { class: "result-tab-words" },
        element(
          "span",
          { class: "result-tab-name" },
          part.label === null ? part.title : element("span", { class: "unseen", textContent: `${part.title}, ` }),
          part.label,
        ),
        state,
      ),
    );
    if (part.index !== null) button.dataset["colour"] = String(part.index % 6);
    if (number !== null) {
      number.ariaHidden = "true";
      picture.after(number);
    }
    const tab = { button, picture, state };
    tabs.set(part.key, tab);
    root.append(button);
    return tab;
  }

  function mark(chosen: string | null): void {
    for (const [key, { button }] of tabs) {
      button.ariaSelected = String(key === chosen);
      button.tabIndex = key === chosen ? 0 : -1;
    }
  }

  /** Brings a tab into view within the strip alone, once it has its place: the page stays where it is. */
  function bring(key: string | null): void {
    const button = tabs.get(key ?? "")?.button;
    if (button === undefined) return;
    requestAnimationFrame(() => {
      root.scrollTo({ left: button.offsetLeft - (root.clientWidth - button.offsetWidth) / 2 });
    });
  }

  function move(event: KeyboardEvent): void {
    const all = [...tabs.keys()];
    const at = all.indexOf(given.chosen.get() ?? "");
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    const key = next === undefined ? undefined : all[(next + all.length) % all.length];
    if (key === undefined) return;
    event.preventDefault();
    given.choose(key);
    tabs.get(key)?.button.focus();
  }

  const endParts = given.parts.subscribe((parts) => {
    for (const part of parts) {
      const { button, state } = tabOf(part);
      button.dataset["state"] = part.state;
      const words = STATES[part.state];
      if (state.textContent !== words) state.textContent = words;
    }
    root.hidden = parts.length < 2;
    mark(given.chosen.get());
  });
  // Not with each answer of the job: somebody may be looking along the strip.
  const endChosen = given.chosen.subscribe((chosen) => {
    mark(chosen);
    bring(chosen);
  });

  return {
    root,
    setPicture(index, picture) {
      for (const part of given.parts.get()) {
        if (part.index === index) tabs.get(part.key)?.picture.replaceChildren(picture);
      }
    },
    destroy() {
      endParts();
      endChosen();
    },
  };
}
