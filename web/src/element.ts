/** Makes elements. Knows no view. */

export type Child = Node | string | null | undefined | false;

// Of events without such a property, as `focusin` is one, nobody would ever hear.
type Listeners = {
  [K in keyof HTMLElementEventMap as Extract<`on${K}`, keyof GlobalEventHandlers>]?: (
    event: HTMLElementEventMap[K],
  ) => void;
};

type Properties<E extends Element> = Partial<
  Omit<E, keyof Listeners | "style" | "children" | "dataset" | "className" | "attributes">
> &
  Listeners & {
    class?: string;
    dataset?: Record<string, string>;
    /** Attributes that have no property, such as `aria-*`; `false` and `undefined` leave them out. */
    attributes?: Record<string, string | number | boolean | undefined>;
  };

/** An HTML element with these properties and children; listeners are `onclick` and the like. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  const { class: name, dataset, attributes, ...rest } = properties as Properties<HTMLElement>;
  Object.assign(made, rest);
  if (name) made.className = name;
  if (dataset) Object.assign(made.dataset, dataset);
  if (attributes) setAttributes(made, attributes);
  made.append(...shown(children));
  return made;
}

/** An SVG element with these attributes and children. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | boolean | undefined> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(made, attributes);
  made.append(...shown(children));
  return made;
}

/** Sets attributes; `true` is the empty string, `false` and `undefined` remove. */
export function setAttributes(
  on: Element,
  attributes: Readonly<Record<string, string | number | boolean | undefined>>,
): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) on.removeAttribute(name);
    else on.setAttribute(name, value === true ? "" : String(value));
  }
}

function shown(children: readonly Child[]): (Node | string)[] {
  return children.filter((child) => child !== null && child !== undefined && child !== false);
}
