/** The editor's buttons. Knows what they are called, not what they do. */

import { element, setAttributes } from "../element";
import { icon, type IconName } from "../shell/icons";

export type Tool = "add" | "undo" | "redo" | "further" | "closer" | "fit";

export interface Toolbar {
  readonly root: HTMLElement;
  readonly add: HTMLButtonElement;
  /** Which tools do something now. The others stay where they are and keep the focus, but say that they do nothing. */
  offer(tools: Readonly<Record<Tool, boolean>>): void;
}

const TOOLS: readonly { tool: Tool; name: string; icon: IconName }[] = [
  { tool: "undo", name: "Undo", icon: "undo" },
  { tool: "redo", name: "Redo", icon: "redo" },
  { tool: "further", name: "Zoom out", icon: "zoom-out" },
  { tool: "closer", name: "Zoom in", icon: "zoom-in" },
  { tool: "fit", name: "See the whole photo", icon: "fit" },
];

export function createToolbar(use: (tool: Tool) => void): Toolbar {
  const buttons = new Map<Tool, HTMLButtonElement>();
  const button = (tool: Tool, name: string, look: string, ...inside: (Node | string)[]): HTMLButtonElement => {
    const made = element(
      "button",
      {
        type: "button",
        class: look,
        title: name,
        onclick: () => {
          if (made.getAttribute("aria-disabled") !== "true") use(tool);
        },
        attributes: { "aria-label": name },
      },
      ...inside,
    );
    buttons.set(tool, made);
    return made;
  };
  const add = button("add", "Add a box", "button editor-add", icon("plus"), element("span", {}, "Add a box"));
  const [undo, redo, ...views] = TOOLS.map((each) =>
    button(each.tool, each.name, "button quiet icon", icon(each.icon)),
  );
  const root = element(
    "div",
    { class: "editor-tools", attributes: { role: "group", "aria-label": "Tools for boxes" } },
    add,
    element("span", { class: "editor-tools-part" }, undo, redo),
    element("span", { class: "editor-tools-part" }, ...views),
  );
  return {
    root,
    add,
    offer(tools) {
      for (const [tool, made] of buttons) setAttributes(made, { "aria-disabled": tools[tool] ? undefined : "true" });
    },
  };
}
