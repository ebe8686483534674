/** The link that puts a model into the room, on phones that can. Knows not how the model looks. */

import { element } from "../element";
import type { View } from "../types";
import { arKindOf, linkEnd, sceneViewerLink } from "./ar";
import picture from "./ar.svg";
import type { Files } from "./files";
import { nameOf, type Part } from "./parts";

export interface ArLink extends View {
  /** Offers this part, where the phone can open it and the file is there. */
  show(part: Part): void;
}

// The phone's viewer has to begin to fetch before the link ends.
const AHEAD_MS = 30_000;

/** @param given.refresh Brings the job again, with new links. */
export function arLink(given: { files: Files; refresh(): Promise<void> }): ArLink {
  const link = element("a", { class: "button result-ar", hidden: true });
  const kind = arKindOf(navigator.userAgent, link.relList.supports("ar"));
  // Quick Look asks for a picture as the link's only element.
  link.append(element("img", { src: picture, alt: "", width: 20, height: 20 }), "See it in your room");
  if (kind === "quick-look") link.rel = "ar";
  let shown: Part | null = null;

  function fileOf(part: Part): string | null {
    if (part.state !== "made" || kind === null) return null;
    if (kind === "scene-viewer") return part.plain?.name ?? null;
    return part.files.find((file) => file.name.endsWith(".usdz"))?.name ?? null;
  }

  function address(part: Part): string | null {
    const file = fileOf(part);
    const url = file === null ? null : given.files.link(file);
    if (url === null || kind !== "scene-viewer") return url;
    return sceneViewerLink(url, nameOf(part), location.href);
  }

  link.addEventListener("click", (event) => {
    const file = shown && fileOf(shown);
    const end = file === null ? null : linkEnd(given.files.link(file) ?? "");
    if (shown === null || end === null || end > Date.now() + AHEAD_MS) return;
    event.preventDefault();
    const part = shown;
    void given.refresh().then(
      () => {
        // Meanwhile another may be shown, or nothing any more.
        if (shown?.key !== part.key) return;
        const fresh = fileOf(part) === null ? null : given.files.link(fileOf(part) ?? "");
        // Where it is no newer, another click would only come back here.
        if (fresh !== null && (linkEnd(fresh) ?? 0) > Date.now() + AHEAD_MS) {
          show(part);
          link.click();
        }
      },
      () => undefined,
    );
  });

  function show(part: Part): void {
    shown = part;
    const href = address(part);
    link.hidden = href === null;
    if (href !== null) link.href = href;
  }

  return {
    root: link,
    show,
    destroy() {
      shown = null;
    },
  };
}
